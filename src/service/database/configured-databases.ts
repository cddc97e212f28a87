import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

import type { DatabaseServiceConfig } from '../../config/schema.ts';
import { ConfigError } from '../../errors.ts';
import type { Database } from '../../resource/resource.ts';

/** The databases of tessera.yaml with their `ca_cert_file` read. Throws ConfigError that names every file that holds no certificates. */
export async function readDatabases(settings: DatabaseServiceConfig): Promise<readonly Database[]> {
  const problems: string[] = [];
  const databases = await Promise.all(
    settings.databases.map(async ({ database, caCertFile }) => {
      if (caCertFile === undefined) return database;
      try {
        const pem = await readFile(caCertFile, 'utf8');
        createSecureContext({ ca: pem });
        return { ...database, spec: { ...database.spec, tls: { ...database.spec.tls, ca_cert: pem } } };
      } catch {
        const { name } = database.metadata;
        problems.push(`database ${name}: ca_cert_file ${caCertFile} can not be read as certificates in PEM`);
        return database;
      }
    }),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return databases;
}
