/** An authority of a test's own, whose client certificates a database trusts beside the cluster's: for connections that go past Tessera. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, type Authority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { databaseClientProfile } from '../../src/pki/profiles.ts';

export type ClientCertificate = {
  readonly certificate: string;
  readonly privateKey: string;
  readonly certificateFile: string;
  readonly keyFile: string;
};

export type ClientAuthority = {
  readonly authority: Authority;
  /** PEM, to be added to the database's `ssl_ca_file`. */
  readonly certificate: string;
  readonly certificateFile: string;
  issue(user: string): Promise<ClientCertificate>;
};

/** Files go to `folder`, keys 0600. */
export async function createClientAuthority(folder: string): Promise<ClientAuthority> {
  const authority = await createAuthority('db-client', 'beside', () => Date.now());
  const certificateFile = join(folder, 'beside-ca.crt');
  writeFileSync(certificateFile, authority.certificatePem);
  return {
    authority,
    certificate: authority.certificatePem,
    certificateFile,
    async issue(user) {
      const { privateKeyPem, publicKeyDer } = generateKeyPair();
      const { pem } = await issueCertificate(authority, databaseClientProfile(user), {
        publicKeyDer,
        ttlMs: 3_600_000,
        nowMs: Date.now(),
      });
      const files = {
        certificateFile: join(folder, `beside-${user}.crt`),
        keyFile: join(folder, `beside-${user}.key`),
      };
      writeFileSync(files.certificateFile, pem);
      writeFileSync(files.keyFile, privateKeyPem, { mode: 0o600 });
      chmodSync(files.keyFile, 0o600);
      return { certificate: pem, privateKey: privateKeyPem, ...files };
    },
  };
}
