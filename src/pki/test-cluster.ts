import { X509Certificate } from 'node:crypto';
import type { HostIdentity, HostRole, UserIdentity } from '../resource/identity.ts';
import type { Authority } from './authority.ts';
import { createAuthority } from './authority.ts';
import type { IssuedCertificate } from './issue.ts';
import { issueCertificate } from './issue.ts';
import type { GeneratedKeyPair } from './keys.ts';
import { generateKeyPair } from './keys.ts';
import type { CertificateProfile } from './profiles.ts';
import { hostProfile, userProfile } from './profiles.ts';
import { TrustedAuthorities } from './trust.ts';

/** A small cluster's certificates for tests of this folder. */

export const NOW = Date.UTC(2027, 0, 1);
export const HOUR = 3_600_000;
export const CLUSTER = 'example';
export const AGENT = '11111111-1111-4111-8111-111111111111';
export const PROXY = '22222222-2222-4222-8222-222222222222';

export const alice: UserIdentity = {
  kind: 'user',
  user: 'alice',
  userKind: 'local',
  roles: ['access'],
  traits: { db_users: ['reader'] },
  mfa: 'otp',
};
export const routed: UserIdentity = {
  ...alice,
  route: { service: 'orders', protocol: 'postgres', databaseUser: 'reader' },
  previousExpiresMs: NOW + HOUR,
};
export const host = (role: HostRole, hostId = PROXY): HostIdentity => ({
  kind: 'host',
  hostId,
  hostName: 'machine',
  role,
});

export type Issued = IssuedCertificate & { readonly keys: GeneratedKeyPair };

export async function issue(
  authority: Authority,
  profile: CertificateProfile,
  nowMs = NOW,
  ttlMs = HOUR,
): Promise<Issued> {
  const keys = generateKeyPair();
  return { ...(await issueCertificate(authority, profile, { publicKeyDer: keys.publicKeyDer, ttlMs, nowMs })), keys };
}

export type TestCluster = {
  readonly user: Authority;
  readonly host: Authority;
  readonly db: Authority;
  readonly dbClient: Authority;
  readonly userAuthorities: TrustedAuthorities;
  readonly hostAuthorities: TrustedAuthorities;
  readonly alice: Issued;
  readonly routed: Issued;
  readonly proxy: Issued;
  readonly agent: Issued;
};

export async function testCluster(clusterName = CLUSTER): Promise<TestCluster> {
  const clock = (): number => NOW - 24 * HOUR;
  const [user, hosts, db, dbClient] = await Promise.all([
    createAuthority('user', clusterName, clock),
    createAuthority('host', clusterName, clock),
    createAuthority('db', clusterName, clock),
    createAuthority('db-client', clusterName, clock),
  ]);
  return {
    user,
    host: hosts,
    db,
    dbClient,
    userAuthorities: new TrustedAuthorities('user', clusterName, [user.certificatePem]),
    hostAuthorities: new TrustedAuthorities('host', clusterName, [hosts.certificatePem]),
    alice: await issue(user, userProfile(alice)),
    routed: await issue(user, userProfile(routed)),
    proxy: await issue(
      hosts,
      hostProfile(host('proxy'), { dnsNames: ['proxy.example.com'], ipAddresses: ['127.0.0.1'] }),
    ),
    agent: await issue(hosts, hostProfile(host('database', AGENT))),
  };
}

export function parsed(certificate: { readonly der: Buffer }): X509Certificate {
  return new X509Certificate(certificate.der);
}
