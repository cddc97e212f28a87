import { ProtocolError } from '../../errors.ts';
import { CLIENT_ADDRESS_TLV_TYPE, MAX_SIGNED_ADDRESS_BYTES } from '../../pki/signed-address.ts';
import { peekProxyHeader } from '../../protocol/proxy-protocol/proxy-protocol.ts';

/**
 * What stands before TLS on Auth's port when a proxy joined the connection: a PROXY v2 header with the proxy's signed statement in a private TLV. The header's own addresses are
 * not looked at: anybody can write those.
 */
export type SplitHeader = {
  /** The TLV's value; undefined: no PROXY header, the connection is the caller's own. */
  readonly signedAddress: Buffer | undefined;
  /** What follows, not consumed. */
  readonly rest: Buffer;
};

/** `more`: not decided yet. Throws ProtocolError or LimitError for a header that is malformed, too long, or carries no signed address. */
export function splitProxyHeader(bytes: Buffer): SplitHeader | 'more' {
  const peeked = peekProxyHeader(bytes, MAX_HEADER_BYTES);
  if (peeked.type === 'more') return 'more';
  if (peeked.type === 'absent') return { signedAddress: undefined, rest: bytes };
  const signed = peeked.header.tlvs.find((tlv) => tlv.type === CLIENT_ADDRESS_TLV_TYPE);
  if (signed === undefined) {
    throw new ProtocolError(
      'PROXY_HEADER_UNSIGNED',
      'PROXY header: it carries no address signed by a proxy of this cluster',
    );
  }
  return { signedAddress: signed.value, rest: bytes.subarray(peeked.length) };
}

/** The signed statement with the proxy's certificate, and room for other TLVs. */
const MAX_HEADER_BYTES = MAX_SIGNED_ADDRESS_BYTES + 1024;
