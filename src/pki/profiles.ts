import { LimitError } from '../errors.ts';
import type { HostIdentity, HostRole, Identity, UserIdentity } from '../resource/identity.ts';
import type { AuthorityType } from '../resource/resource.ts';
import type { AlternativeNames } from './names.ts';
import {
  AUTH_SERVER_NAME,
  databaseServiceName,
  MAX_ALTERNATIVE_NAMES,
  MAX_COMMON_NAME_LENGTH,
  parseCommonName,
  parseDnsName,
  parseHosts,
  parseIpAddress,
  PROXY_SERVER_NAME,
} from './names.ts';

/** The five kinds of certificates, as data: what `issueCertificate` may sign and nothing beside. Every leaf has the critical key usage digitalSignature alone. */

/** What one certificate will say. Made by the functions below alone, which check every name. */
export type CertificateProfile = {
  readonly name: 'user' | 'user-route' | 'host' | 'database-server' | 'database-client';
  /** The only authority that may sign it. */
  readonly authority: AuthorityType;
  readonly commonName: string;
  readonly extendedKeyUsages: readonly ExtendedKeyUsage[];
  readonly names: AlternativeNames;
  readonly identity?: Identity;
  /** maxCertificateTtl of the profile, milliseconds: a longer wish is an error, not cut. */
  readonly maxTtlMs: number;
};

export type ExtendedKeyUsage = 'clientAuth' | 'serverAuth';

/** What each role of service may do with its certificate: Auth only listens, a proxy does both, the others only dial. */
export const HOST_EXTENDED_KEY_USAGES = {
  auth: ['serverAuth'],
  proxy: ['serverAuth', 'clientAuth'],
  database: ['clientAuth'],
  admin: ['clientAuth'],
} as const satisfies Record<HostRole, readonly ExtendedKeyUsage[]>;

/** A person's certificate: with `identity.route` good for that one database, without it the identity with which one is asked for. */
export function userProfile(identity: UserIdentity): CertificateProfile {
  if (identity.route !== undefined) parseRouteBounds(identity.route);
  return {
    name: identity.route === undefined ? 'user' : 'user-route',
    authority: 'user',
    commonName: parseCommonName(identity.user, 'user name'),
    extendedKeyUsages: ['clientAuth'],
    names: NO_NAMES,
    identity,
    maxTtlMs: 7 * DAY,
  };
}

/**
 * A service's certificate. `requested` are a proxy's public names; any other role that asks for names is refused. The names under `tessera.internal` by which services verify each
 * other are added here: `auth.`, `proxy.` and `<host id>.database.`.
 */
export function hostProfile(identity: HostIdentity, requested: AlternativeNames = NO_NAMES): CertificateProfile {
  if (identity.hostName.length > MAX_HOST_NAME_LENGTH) {
    throw new LimitError('PKI_NAME_TOO_LONG', `host name exceeds maxHostNameLength ${MAX_HOST_NAME_LENGTH}`);
  }
  return {
    name: 'host',
    authority: 'host',
    commonName: parseCommonName(identity.hostId, 'host id'),
    extendedKeyUsages: HOST_EXTENDED_KEY_USAGES[identity.role],
    names: hostNames(identity, requested),
    identity,
    maxTtlMs: 366 * DAY,
  };
}

/** A database server's certificate for `hosts` (DNS names and addresses, at least one), for `tessera auth sign --format=db`. */
export function databaseServerProfile(hosts: readonly string[]): CertificateProfile {
  const names = parseHosts(hosts);
  const first = names.dnsNames[0] ?? names.ipAddresses[0];
  if (first === undefined)
    throw new LimitError('PKI_NO_NAMES', 'database server certificate: expected at least one host, got none');
  return {
    name: 'database-server',
    authority: 'db',
    // The common name is for people only: clients read the alternative names, and a long DNS name does not fit.
    commonName: first.length <= MAX_COMMON_NAME_LENGTH ? first : 'database',
    extendedKeyUsages: ['serverAuth'],
    names,
    maxTtlMs: 3660 * DAY,
  };
}

/** What an agent signs in to a database with: CN = the database user, minutes. */
export function databaseClientProfile(databaseUser: string): CertificateProfile {
  return {
    name: 'database-client',
    authority: 'db-client',
    commonName: parseCommonName(databaseUser, 'database user'),
    extendedKeyUsages: ['clientAuth'],
    names: NO_NAMES,
    maxTtlMs: HOUR,
  };
}

function hostNames(identity: HostIdentity, requested: AlternativeNames): AlternativeNames {
  const wanted = requested.dnsNames.length + requested.ipAddresses.length;
  if (identity.role !== 'proxy' && wanted > 0) {
    throw new LimitError(
      'PKI_NAMES_NOT_ALLOWED',
      `a ${identity.role} service's certificate carries no names of its choice, got ${wanted}`,
    );
  }
  if (wanted > MAX_ALTERNATIVE_NAMES) {
    throw new LimitError(
      'PKI_TOO_MANY_NAMES',
      `${wanted} names for one certificate exceed maxAlternativeNames ${MAX_ALTERNATIVE_NAMES}`,
    );
  }
  switch (identity.role) {
    case 'auth':
      return { dnsNames: [AUTH_SERVER_NAME], ipAddresses: [] };
    case 'proxy':
      return {
        dnsNames: [PROXY_SERVER_NAME, ...new Set(requested.dnsNames.map(parseDnsName))],
        ipAddresses: [...new Set(requested.ipAddresses.map(parseIpAddress))],
      };
    case 'database':
      return { dnsNames: [databaseServiceName(identity.hostId)], ipAddresses: [] };
    case 'admin':
      return NO_NAMES;
  }
}

function parseRouteBounds(route: NonNullable<UserIdentity['route']>): void {
  for (const [what, value] of [
    ['database service name', route.service],
    ['database user', route.databaseUser],
    ['database name', route.databaseName],
  ] as const) {
    if (value !== undefined && value.length > MAX_ROUTE_NAME_LENGTH) {
      throw new LimitError('PKI_NAME_TOO_LONG', `${what} exceeds maxRouteNameLength ${MAX_ROUTE_NAME_LENGTH}`);
    }
  }
}

const NO_NAMES: AlternativeNames = { dnsNames: [], ipAddresses: [] };
const MAX_HOST_NAME_LENGTH = 253;
const MAX_ROUTE_NAME_LENGTH = 255;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
