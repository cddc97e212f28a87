import { createHash } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

import type { Database } from '../../resource/resource.ts';

/** Which authorities vouch for a database server: its own `ca_cert`, else the cluster's db authorities; the system's too when the resource says so. */
export type ServerTrust = {
  readonly certificates: readonly string[];
  /** Changes with the certificates: part of cache keys. */ readonly digest: string;
};

/** `clusterAuthorities`: PEM of the cluster's db authorities as trusted now. */
export function serverTrustOf(database: Database, clusterAuthorities: readonly string[]): ServerTrust {
  const { ca_cert: own, trust_system_cert_pool: system } = database.spec.tls;
  const certificates = [
    ...(own === undefined ? clusterAuthorities : [own]),
    // What Node.js brings is not what an administrator installed on this machine: both are meant.
    ...(system === true ? [...getCACertificates('default'), ...getCACertificates('system')] : []),
  ];
  const hash = createHash('sha256');
  for (const certificate of certificates) hash.update(certificate).update('\0');
  return { certificates, digest: hash.digest('hex') };
}

/** A context towards a database; with `client` it shows that certificate. Costly: make one per credential, never per connection. */
export function databaseContext(
  trust: ServerTrust,
  client?: { readonly certificate: string; readonly privateKeyPem: string },
): SecureContext {
  return createSecureContext({
    ca: [...trust.certificates],
    minVersion: 'TLSv1.2',
    ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKeyPem }),
  });
}
