import { LimitError, ProtocolError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { formatIp, ipBytes } from './address.ts';

/**
 * HAProxy's PROXY protocol, versions 1 (text) and 2 (binary): who the connection really comes from. Only ever believed from a configured source, which is the caller's to check.
 *
 *     v1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", at most 107 bytes
 *     v2: signature 12 | 0x2 command | family, transport | uint16 length | addresses | (uint8 type | uint16 length | value)*
 *
 * https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
export type ProxyHeader = {
  readonly version: 1 | 2;
  /** `local`: the sender speaks for itself (health checks); the socket's own addresses count. */
  readonly command: 'proxy' | 'local';
  /** Absent for `local`, `UNKNOWN` and families other than TCP over IP. */
  readonly source?: ProxyAddress;
  readonly destination?: ProxyAddress;
  /** Version 2 only, in order, values copied. */
  readonly tlvs: readonly ProxyTlv[];
};
/** `address` as text, IPv6 in its shortest form. */
export type ProxyAddress = { readonly address: string; readonly port: number };
export type ProxyTlv = { readonly type: number; readonly value: Buffer };

/** A v2 header above this is refused (the format allows 65,551). */
export const defaultMaxProxyHeaderBytes = 4096;

export type ProxyHeaderPeek =
  | { readonly type: 'more' }
  /** The bytes begin with something else. */
  | { readonly type: 'absent' }
  /** `length` bytes belong to the header. */
  | { readonly type: 'header'; readonly header: ProxyHeader; readonly length: number };

/**
 * Looks for a header at the beginning of a connection: call again with all bytes so far after `more`. Throws ProtocolError for a broken header and LimitError above
 * `maxBytes`.
 */
export function peekProxyHeader(bytes: Buffer, maxBytes = defaultMaxProxyHeaderBytes): ProxyHeaderPeek {
  if (startsAs(bytes, V2_SIGNATURE)) return bytes.length < 16 ? MORE : decodeV2(bytes, maxBytes);
  if (startsAs(bytes, V1_PREFIX)) return bytes.length < V1_PREFIX.length ? MORE : decodeV1(bytes);
  return { type: 'absent' };
}

/** Encodes a version 2 header for TCP. Both addresses must be of the same family (an IPv4 one is mapped when they are not). */
export function encodeProxyV2(header: {
  readonly source: ProxyAddress;
  readonly destination: ProxyAddress;
  readonly tlvs?: readonly ProxyTlv[];
}): Buffer {
  let from = ipBytes(header.source.address);
  let to = ipBytes(header.destination.address);
  if (from.length !== to.length) [from, to] = [mapped(from), mapped(to)];
  const writer = new Writer();
  writer.bytes(V2_SIGNATURE).uint8(0x21);
  writer.uint8(from.length === 4 ? 0x11 : 0x21);
  const body = new Writer().bytes(from).bytes(to).uint16(header.source.port).uint16(header.destination.port);
  for (const tlv of header.tlvs ?? []) body.uint8(tlv.type).uint16(tlv.value.length).bytes(tlv.value);
  return writer.uint16(body.length).bytes(body.finish()).finish();
}

function decodeV1(bytes: Buffer): ProxyHeaderPeek {
  const end = bytes.indexOf('\r\n');
  if (end < 0 || end > maxV1Bytes - 2) {
    if (bytes.length < maxV1Bytes && end < 0) return MORE;
    throw fault(`version 1 line has no end within ${maxV1Bytes} bytes`);
  }
  const words = bytes.toString('latin1', 0, end).split(' ');
  const length = end + 2;
  if (words[1] === 'UNKNOWN') return { type: 'header', header: { version: 1, command: 'proxy', tlvs: [] }, length };
  const [, family, from, to, fromPort, toPort] = words;
  if ((family !== 'TCP4' && family !== 'TCP6') || words.length !== 6)
    throw fault('version 1 line is not PROXY TCP4|TCP6 and four words');
  const source = { address: v1Address(from, family), port: v1Port(fromPort) };
  const destination = { address: v1Address(to, family), port: v1Port(toPort) };
  return { type: 'header', header: { version: 1, command: 'proxy', source, destination, tlvs: [] }, length };
}

function v1Address(text: string | undefined, family: 'TCP4' | 'TCP6'): string {
  const bytes = ipBytes(text ?? '');
  if ((bytes.length === 4) !== (family === 'TCP4')) throw fault(`version 1 line has an address that is not ${family}`);
  return formatIp(bytes);
}

function v1Port(text: string | undefined): number {
  if (text === undefined || !/^(?:0|[1-9][0-9]{0,4})$/.test(text) || Number(text) > 65_535)
    throw fault('version 1 line has a port that is none');
  return Number(text);
}

function decodeV2(bytes: Buffer, maxBytes: number): ProxyHeaderPeek {
  const reader = new Reader('proxy protocol: version 2', 'PROXY_V2', bytes);
  reader.skip('signature', 12);
  const versionCommand = reader.uint8('version and command');
  const family = reader.uint8('family');
  const length = 16 + reader.uint16('length');
  if (versionCommand >>> 4 !== 2 || (versionCommand & 0xf) > 1)
    throw fault(`version and command are 0x${versionCommand.toString(16)}, expected 0x20 or 0x21`);
  if (length > maxBytes)
    throw new LimitError(
      'PROXY_TOO_LONG',
      `proxy protocol: header of ${length} bytes exceeds maxProxyHeaderBytes ${maxBytes}`,
    );
  if (bytes.length < length) return MORE;
  const body = reader.sub('body', length - 16);
  if ((versionCommand & 0xf) === 0)
    return { type: 'header', header: { version: 2, command: 'local', tlvs: [] }, length };
  const addresses = readAddresses(body, family);
  const tlvs = addresses === undefined ? [] : readTlvs(body);
  return { type: 'header', header: { version: 2, command: 'proxy', ...addresses, tlvs }, length };
}

function readAddresses(
  body: Reader,
  family: number,
): { readonly source: ProxyAddress; readonly destination: ProxyAddress } | undefined {
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (size === 0) return undefined;
  const from = formatIp(body.bytes('source', size));
  const to = formatIp(body.bytes('destination', size));
  return {
    source: { address: from, port: body.uint16('source port') },
    destination: { address: to, port: body.uint16('destination port') },
  };
}

function readTlvs(body: Reader): readonly ProxyTlv[] {
  const tlvs: ProxyTlv[] = [];
  while (body.remaining > 0) {
    const type = body.uint8('TLV type');
    tlvs.push({ type, value: Buffer.from(body.bytes('TLV value', body.uint16('TLV length'))) });
  }
  return tlvs;
}

function startsAs(bytes: Buffer, prefix: Buffer): boolean {
  const count = Math.min(bytes.length, prefix.length);
  return bytes.subarray(0, count).equals(prefix.subarray(0, count));
}

function mapped(address: Buffer): Buffer {
  return address.length === 16 ? address : Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), address]);
}

function fault(what: string): ProtocolError {
  return new ProtocolError('PROXY_BAD_HEADER', `proxy protocol: ${what}`);
}

const MORE: ProxyHeaderPeek = { type: 'more' };
const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V1_PREFIX = Buffer.from('PROXY ');
/** The longest version 1 line, its CRLF included. */
const maxV1Bytes = 107;
