import type { KeyObject } from 'node:crypto';
import { ProtocolError } from '../errors.ts';
import type { HostIdentity, VerifiedCertificate } from '../resource/identity.ts';
import { openEnvelope, signEnvelope } from './signed-envelope.ts';
import {
  checkFreshness,
  DEFAULT_MAX_AGE_MS,
  DEFAULT_MAX_SKEW_MS,
  isHostPort,
  isTime,
  parseStatement,
} from './statement.ts';
import type { TrustedAuthorities } from './trust.ts';

/**
 * A caller's address in a proxy's signed word to the Auth Service: the value of one private TLV in the PROXY v2 header that the proxy sends before it joins the caller's
 * TCP connection with Auth's port. It says only where the caller is, never who: whoever can read the wire between proxy and Auth could repeat it for a minute.
 */

/** PP2_TYPE_MIN_CUSTOM 0xE0 to PP2_TYPE_MAX_CUSTOM 0xEF (PROXY protocol 2.2.7) are for applications. */
export const CLIENT_ADDRESS_TLV_TYPE = 0xe4;
/** maxSignedAddressBytes. */
export const MAX_SIGNED_ADDRESS_BYTES = 8 * 1024;

export type ClientAddress = {
  /** `1.2.3.4:5` or `[::1]:5`. */
  readonly address: string;
  /** When it was signed, milliseconds since 1970. */
  readonly timeMs: number;
};

export type VerifyAddressOptions = {
  readonly hostAuthorities: TrustedAuthorities;
  readonly nowMs: number;
  /** Default 60,000. */
  readonly maxAgeMs?: number;
  /** Default 30,000. */
  readonly maxSkewMs?: number;
};

/** The TLV's value, signed with the proxy's host key. */
export function signClientAddress(client: ClientAddress, proxyKey: KeyObject, proxyCertificateDer: Uint8Array): Buffer {
  const body = Buffer.from(JSON.stringify({ addr: client.address, t: client.timeMs }), 'utf8');
  return signEnvelope(
    'tessera client address v1',
    body,
    { key: proxyKey, certificateDer: proxyCertificateDer },
    MAX_SIGNED_ADDRESS_BYTES,
  );
}

/**
 * Checks form, proxy and freshness. Throws ProtocolError `ADDRESS_MALFORMED` or `ENVELOPE_MALFORMED`, LoginError `ADDRESS_STALE`, `ADDRESS_FROM_FUTURE`,
 * `ENVELOPE_BAD_SIGNATURE`, or a `CertificateFault`.
 */
export function verifyClientAddress(
  bytes: Uint8Array,
  options: VerifyAddressOptions,
): { readonly client: ClientAddress; readonly proxy: VerifiedCertificate<HostIdentity> } {
  const { hostAuthorities, nowMs } = options;
  const { body, proxy } = openEnvelope('tessera client address v1', bytes, {
    hostAuthorities,
    nowMs,
    maxBytes: MAX_SIGNED_ADDRESS_BYTES,
  });
  const { addr, t } = parseStatement(body, ['addr', 't'], 'ADDRESS_MALFORMED');
  if (!isHostPort(addr) || !isTime(t))
    throw new ProtocolError('ADDRESS_MALFORMED', 'signed address: expected an address with port and a time');
  checkFreshness('ADDRESS', t, {
    nowMs,
    maxAgeMs: options.maxAgeMs ?? DEFAULT_MAX_AGE_MS,
    maxSkewMs: options.maxSkewMs ?? DEFAULT_MAX_SKEW_MS,
  });
  return { client: { address: addr, timeMs: t }, proxy };
}
