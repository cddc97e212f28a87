import { TesseraError } from '../../errors.ts';
import { CLIENT_ADDRESS_TLV_TYPE } from '../../pki/signed-address.ts';
import { encodeProxyV2, peekProxyHeader } from '../../protocol/proxy-protocol/proxy-protocol.ts';
import { peekClientHello } from '../../protocol/tls/client-hello.ts';
import { type ClientAddress, plainIp } from './client-address.ts';

export type PeekedAlpn =
  | { readonly type: 'more'; readonly need: number }
  | { readonly type: 'bad'; readonly reason: string }
  | { readonly type: 'hello'; readonly alpn: readonly string[] };

/** The ALPN names of a ClientHello that may still be arriving. Parses only when a whole record is there, so single bytes cost a client more than us. */
export function peekAlpn(bytes: Buffer, maxBytes: number): PeekedAlpn {
  const need = wholeRecords(bytes);
  if (need > bytes.length) return need > maxBytes + RECORD_HEADER_BYTES ? TOO_LONG : { type: 'more', need };
  const peeked = peekClientHello(bytes);
  if (peeked.type === 'hello') return { type: 'hello', alpn: peeked.alpn };
  if (peeked.type === 'not-tls') return { type: 'bad', reason: peeked.reason };
  return bytes.length >= maxBytes ? TOO_LONG : { type: 'more', need: bytes.length + RECORD_HEADER_BYTES };
}

export type ReadHeader =
  | { readonly type: 'more'; readonly need: number }
  | { readonly type: 'bad'; readonly reason: string }
  /** `client` is absent when the sender speaks for itself (LOCAL, UNKNOWN). */
  | { readonly type: 'header'; readonly length: number; readonly client?: ClientAddress };

/** The PROXY header at the beginning of `bytes`. */
export function readProxyHeader(bytes: Buffer): ReadHeader {
  try {
    const peeked = peekProxyHeader(bytes);
    if (peeked.type === 'more') return { type: 'more', need: bytes.length + 1 };
    if (peeked.type === 'absent') return { type: 'bad', reason: 'no PROXY header' };
    const { source } = peeked.header;
    const { length } = peeked;
    return source === undefined
      ? { type: 'header', length }
      : { type: 'header', length, client: { ip: plainIp(source.address), port: source.port } };
  } catch (error) {
    return { type: 'bad', reason: error instanceof TesseraError ? error.message : 'a malformed PROXY header' };
  }
}

/** A PROXY v2 header that carries the client's address twice: as anybody may write it, and in a TLV that the proxy signed and Auth believes. */
export function encodeSignedHeader(client: ClientAddress, destination: ClientAddress, signed: Buffer): Buffer {
  return encodeProxyV2({
    source: { address: client.ip, port: client.port },
    destination: { address: plainIp(destination.ip), port: destination.port },
    tlvs: [{ type: CLIENT_ADDRESS_TLV_TYPE, value: signed }],
  });
}

/** Bytes needed for the record that is cut, or `bytes.length` when none is. */
function wholeRecords(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < RECORD_HEADER_BYTES) return at + RECORD_HEADER_BYTES;
    at += RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3);
  }
  return at;
}

const RECORD_HEADER_BYTES = 5;
const TOO_LONG: PeekedAlpn = { type: 'bad', reason: 'its ClientHello exceeds maxClientHelloBytes' };
