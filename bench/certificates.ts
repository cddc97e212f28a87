/** Certificates of the bench's own for the ways that go past Tessera: clients' and, for the stunnels, servers'. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority } from '../src/pki/authority.ts';
import { issueCertificate } from '../src/pki/issue.ts';
import { generateKeyPair } from '../src/pki/keys.ts';
import { databaseServerProfile } from '../src/pki/profiles.ts';
import type { Cluster } from '../test/kit/cluster.ts';
import { createClientAuthority } from '../test/kit/client-certificates.ts';

export type BenchCertificates = {
  /** The client `bench`. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Authority of `certificateFile`. */
  readonly clientAuthorityFile: string;
  readonly clientAuthority: string;
  /** What the stunnels show to clients and to each other, and its authority. */
  readonly serverCertificateFile: string;
  readonly serverKeyFile: string;
  readonly serverAuthorityFile: string;
  /** The cluster's db authority, which signed the database server's certificate. */
  readonly databaseAuthorities: string;
};

export async function createBenchCertificates(cluster: Cluster, folder: string): Promise<BenchCertificates> {
  const clients = await createClientAuthority(folder);
  const client = await clients.issue('bench');
  const authority = await createAuthority('db', 'bench', () => Date.now());
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const server = await issueCertificate(authority, databaseServerProfile(['localhost', '127.0.0.1']), {
    publicKeyDer,
    ttlMs: 3_600_000,
    nowMs: Date.now(),
  });
  const file = (name: string, text: string, mode = 0o644): string => {
    writeFileSync(join(folder, name), text, { mode });
    return join(folder, name);
  };
  return {
    certificateFile: client.certificateFile,
    keyFile: client.keyFile,
    clientAuthorityFile: clients.certificateFile,
    clientAuthority: clients.certificate,
    serverCertificateFile: file('stunnel.crt', server.pem),
    serverKeyFile: file('stunnel.key', privateKeyPem, 0o600),
    serverAuthorityFile: file('stunnel-ca.crt', authority.certificatePem),
    databaseAuthorities: file('database-ca.crt', await cluster.tessera('auth', 'export', '--type=db')),
  };
}
