import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { generateKeyPair } from '../../pki/keys.ts';
import type { Outcome } from '../command.ts';
import { printTime } from '../duration.ts';
import { failure } from '../failure.ts';
import { writeAtomic } from '../files.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';

export type SignOptions = {
  readonly format: 'db';
  readonly host: readonly string[];
  readonly out: string;
  readonly ttl: number;
  readonly overwrite?: boolean | undefined;
};

/** Makes a key here, has a database server's certificate signed for it and writes `.key`, `.crt` and `.cas`. The key never leaves this machine. */
export async function sign(io: Io, globals: Globals, options: SignOptions): Promise<Outcome> {
  const paths = ['.key', '.crt', '.cas'].map((ending) => options.out + ending);
  const there = paths.filter((path) => existsSync(path));
  if (there.length > 0 && options.overwrite !== true)
    throw failure('FILE_EXISTS', `${there.join(', ')} exists already`, 'to replace it: --overwrite');
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const reply = await withAuth(io, globals, (connection) =>
    connection.client.signDatabaseServer({
      publicKey: new Uint8Array(publicKeyDer),
      hosts: [...options.host],
      ttlSeconds: options.ttl,
    }),
  );
  writeAtomic(`${options.out}.key`, privateKeyPem, 0o600);
  writeAtomic(`${options.out}.crt`, reply.certificate, 0o644);
  writeAtomic(`${options.out}.cas`, reply.clientAuthorities.map((pem) => `${pem.trim()}\n`).join(''), 0o644);
  const file = resolve(options.out);
  say(
    io,
    `Wrote ${paths.join(', ')} for ${options.host.join(', ')}, valid until ${printTime(reply.expires)}.
The key file must belong to the account that the database runs as: chown postgres ${options.out}.* (or mysql).

PostgreSQL, postgresql.conf:

  ssl = on
  ssl_cert_file = '${file}.crt'
  ssl_key_file = '${file}.key'
  ssl_ca_file = '${file}.cas'

and pg_hba.conf (no earlier line may match):

  hostssl all all 0.0.0.0/0 cert
  hostssl all all ::/0      cert

MySQL and MariaDB, my.cnf:

  [mysqld]
  require_secure_transport = ON
  ssl_cert = ${file}.crt
  ssl_key = ${file}.key
  ssl_ca = ${file}.cas

and for each account, here reader: CREATE USER 'reader'@'%' REQUIRE SUBJECT '/CN=reader';

Next: restart the database, then name it under db_service.databases in tessera.yaml of a Database Service.`,
  );
}
