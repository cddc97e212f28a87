import { ProtocolError } from '../../errors.ts';
import { CLIENT_ADDRESS_TLV_TYPE, MAX_SIGNED_ADDRESS_BYTES } from '../../pki/signed-address.ts';

/**
 * What stands before TLS on Auth's port when a proxy joined the connection: a PROXY v2 header (HAProxy, "The PROXY protocol", 2.2) with the proxy's signed statement in a
 * private TLV. The header's own addresses are not looked at: anybody can write those.
 *
 *     12 bytes signature | 0x21 or 0x20 | family | u16 length | addresses | TLVs: u8 type, u16 length, value
 */
export type SplitHeader = {
  /** The TLV's value; undefined: no PROXY header, the connection is the caller's own. */
  readonly signedAddress: Buffer | undefined;
  /** What follows, not consumed. */
  readonly rest: Buffer;
};

/** `more`: not decided yet. Throws ProtocolError for a header that is malformed, too long, or carries no signed address. */
export function splitProxyHeader(bytes: Buffer): SplitHeader | 'more' {
  const compared = Math.min(bytes.length, SIGNATURE.length);
  if (!bytes.subarray(0, compared).equals(SIGNATURE.subarray(0, compared)))
    return { signedAddress: undefined, rest: bytes };
  if (bytes.length < FIXED_BYTES) return 'more';
  const command = bytes.readUInt8(12);
  const length = bytes.readUInt16BE(14);
  if (command !== 0x21 && command !== 0x20) throw malformed(`expected version 2, got byte 0x${command.toString(16)}`);
  if (length > MAX_HEADER_BYTES) throw malformed(`${length} bytes exceed maxProxyHeaderBytes ${MAX_HEADER_BYTES}`);
  if (bytes.length < FIXED_BYTES + length) return 'more';
  const body = bytes.subarray(FIXED_BYTES, FIXED_BYTES + length);
  const signedAddress = findSignedAddress(body, ADDRESS_BYTES[bytes.readUInt8(13) >> 4]);
  if (signedAddress === undefined) throw malformed('it carries no address signed by a proxy of this cluster');
  return { signedAddress: Buffer.from(signedAddress), rest: bytes.subarray(FIXED_BYTES + length) };
}

function findSignedAddress(body: Buffer, addressBytes: number | undefined): Buffer | undefined {
  if (addressBytes === undefined || addressBytes > body.length)
    throw malformed('its address family is not known or cut');
  let at = addressBytes;
  while (at < body.length) {
    if (at + 3 > body.length) throw malformed('a TLV is cut');
    const end = at + 3 + body.readUInt16BE(at + 1);
    if (end > body.length) throw malformed('a TLV is cut');
    if (body.readUInt8(at) === CLIENT_ADDRESS_TLV_TYPE) return body.subarray(at + 3, end);
    at = end;
  }
  return undefined;
}

function malformed(text: string): ProtocolError {
  return new ProtocolError('PROXY_HEADER_REFUSED', `PROXY header: ${text}`);
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const FIXED_BYTES = 16;
/** By the high half of byte 14: unspecified, IPv4, IPv6, Unix. */
const ADDRESS_BYTES: { readonly [family: number]: number } = { 0: 0, 1: 12, 2: 36, 3: 216 };
/** The signed statement with the proxy's certificate, and room for other TLVs. */
const MAX_HEADER_BYTES = MAX_SIGNED_ADDRESS_BYTES + 1024;
