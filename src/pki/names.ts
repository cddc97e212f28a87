import { isIP } from 'node:net';
import { LimitError, ProtocolError } from '../errors.ts';

/** What may stand as a name in a certificate. Everything here comes from a peer or a person and is refused rather than repaired. */

/** Names under this domain are made by the issuer alone: peers verify each other by them. */
export const INTERNAL_DOMAIN = 'tessera.internal';

/** The name every caller verifies the Auth Service by, whatever way leads to it. */
export const AUTH_SERVER_NAME = `auth.${INTERNAL_DOMAIN}`;

/** The name every agent verifies a proxy by, whatever address it dialled. */
export const PROXY_SERVER_NAME = `proxy.${INTERNAL_DOMAIN}`;

/** The name of one agent. */
export function databaseServiceName(hostId: string): string {
  return `${hostId}.database.${INTERNAL_DOMAIN}`;
}

/** maxCommonNameLength: characters in a subject's common name (RFC 5280 appendix A, ub-common-name). */
export const MAX_COMMON_NAME_LENGTH = 64;
/** maxAlternativeNames: DNS names and addresses in one certificate. */
export const MAX_ALTERNATIVE_NAMES = 64;
/** maxClusterNameLength: leaves room for `<cluster> db-client CA` in a common name. */
export const MAX_CLUSTER_NAME_LENGTH = 48;

/** DNS names and IP addresses for a subject alternative name. */
export type AlternativeNames = { readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[] };

/** Sorts hosts into names and addresses, in lower case, without repeats. Throws for wildcards, invalid names and names under `tessera.internal`. */
export function parseHosts(hosts: readonly string[]): AlternativeNames {
  if (hosts.length > MAX_ALTERNATIVE_NAMES) {
    throw new LimitError(
      'PKI_TOO_MANY_NAMES',
      `${hosts.length} names for one certificate exceed maxAlternativeNames ${MAX_ALTERNATIVE_NAMES}`,
    );
  }
  const dnsNames = new Set<string>();
  const ipAddresses = new Set<string>();
  for (const host of hosts) {
    if (isIP(host) !== 0) ipAddresses.add(parseIpAddress(host));
    else dnsNames.add(parseDnsName(host));
  }
  return { dnsNames: [...dnsNames], ipAddresses: [...ipAddresses] };
}

/** A DNS name that somebody may ask for, in lower case. Letters, digits and hyphens; one label is enough (`localhost`). */
export function parseDnsName(name: string): string {
  const lower = name.toLowerCase();
  if (lower.length > MAX_DNS_NAME_LENGTH)
    throw invalid(`a DNS name of ${lower.length} characters exceeds maxDnsNameLength ${MAX_DNS_NAME_LENGTH}`);
  if (lower.includes('*')) throw invalid('wildcard names are not issued, name every host');
  const labels = lower.split('.');
  if (!labels.every((label) => LABEL.test(label)) || /^\d+$/.test(labels.at(-1) ?? '')) {
    throw invalid('expected a DNS name of letters, digits and hyphens, or an IP address');
  }
  if (lower === INTERNAL_DOMAIN || lower.endsWith(`.${INTERNAL_DOMAIN}`)) {
    throw new ProtocolError(
      'PKI_NAME_RESERVED',
      `names under ${INTERNAL_DOMAIN} are reserved for the cluster's own services, ask for another name`,
    );
  }
  return lower;
}

/** An IPv4 or IPv6 address without zone. */
export function parseIpAddress(address: string): string {
  if (isIP(address) === 0 || address.includes('%')) throw invalid('expected an IPv4 or IPv6 address without zone');
  return address.toLowerCase();
}

/** A person's, host's or database user's name as common name: 1 to 64 characters, none of them a control character. */
export function parseCommonName(name: string, what: string): string {
  const { length } = name;
  if (length > MAX_COMMON_NAME_LENGTH) {
    throw new LimitError(
      'PKI_NAME_TOO_LONG',
      `${what} of ${length} characters exceeds maxCommonNameLength ${MAX_COMMON_NAME_LENGTH}`,
    );
  }
  if (length === 0 || CONTROL.test(name) || !name.isWellFormed())
    throw invalid(`expected ${what} to have at least one character and no control characters`);
  return name;
}

/** A cluster's name as it stands in authorities and identities: 1 to 48 characters of letters, digits, `.`, `_`, `-`. */
export function parseClusterName(name: string): string {
  if (name.length > MAX_CLUSTER_NAME_LENGTH) {
    throw new LimitError(
      'PKI_NAME_TOO_LONG',
      `cluster name of ${name.length} characters exceeds maxClusterNameLength ${MAX_CLUSTER_NAME_LENGTH}`,
    );
  }
  if (!CLUSTER_NAME.test(name)) throw invalid('expected a cluster name of letters, digits, ".", "_" and "-"');
  return name;
}

function invalid(text: string): ProtocolError {
  return new ProtocolError('PKI_NAME_INVALID', `certificate name: ${text}`);
}

/** RFC 1035 section 2.3.4. */
const MAX_DNS_NAME_LENGTH = 253;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
