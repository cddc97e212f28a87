import { LimitError, ProtocolError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';

/**
 * The packets before sign-in, which have no type byte:
 *
 *     Int32 length, itself included | Int32 code | ...
 *
 * https://www.postgresql.org/docs/current/protocol-message-formats.html (CancelRequest, GSSENCRequest, SSLRequest, StartupMessage)
 */
export type StartupPacket = SSLRequest | GSSENCRequest | CancelRequest | StartupMessage;
export type SSLRequest = { readonly type: 'SSLRequest' };
export type GSSENCRequest = { readonly type: 'GSSENCRequest' };
/** The key has 4 bytes in protocol 3.0 and 4 to 256 in 3.2. */
export type CancelRequest = { readonly type: 'CancelRequest'; readonly processId: number; readonly key: Buffer };
export type StartupMessage = {
  readonly type: 'StartupMessage';
  /** As asked, e.g. 3 and 0, 3 and 2, or a greased 3 and 9999. */
  readonly major: number;
  readonly minor: number;
  /** In order of first appearance; of a repeated name the last value counts, as in PostgreSQL. `_pq_.` options are not among them. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Names of protocol options (`_pq_.` included) that the client asks for, and that NegotiateProtocolVersion must refuse if not known. */
  readonly protocolOptions: readonly string[];
};

/** PostgreSQL's MAX_STARTUP_PACKET_LENGTH, length field excluded there; the usual `maxStartupBytes`. */
export const defaultMaxStartupBytes = 10_000;
/** Bounds of a cancel key: protocol 3.2 allows these lengths. */
export const minCancelKeyBytes = 4;
export const maxCancelKeyBytes = 256;
/** Newest minor version of protocol 3 that Tessera speaks. */
export const newestMinor = 2;

export const SSL_REQUEST_CODE = 80_877_103;
export const GSSENC_REQUEST_CODE = 80_877_104;
export const CANCEL_REQUEST_CODE = 80_877_102;

/**
 * Takes the first packet off `bytes`, which may have been cut anywhere. Undefined: more bytes are needed (never more than `maxBytes` are asked for).
 * `length` bytes belong to the packet; what follows is the caller's. The packet shares no memory with `bytes`.
 */
export function decodeStartupPacket(
  bytes: Buffer,
  maxBytes = defaultMaxStartupBytes,
): { readonly packet: StartupPacket; readonly length: number } | undefined {
  if (bytes.length < 4) return undefined;
  const length = startupLength(bytes, maxBytes);
  if (bytes.length < length) return undefined;
  return { packet: decodeStartup(bytes.subarray(0, length)), length };
}

/** The whole packet's length, from its first four bytes; throws when no start-up packet is that long. */
export function startupLength(header: Buffer, maxBytes = defaultMaxStartupBytes): number {
  const length = header.readInt32BE(0);
  if (length < 8)
    throw new ProtocolError(
      'PG_STARTUP_BAD_LENGTH',
      `postgres: start-up packet has the length ${length}, expected at least 8`,
    );
  if (length > maxBytes) {
    throw new LimitError(
      'PG_STARTUP_TOO_LONG',
      `postgres: start-up packet of ${length} bytes exceeds maxStartupBytes ${maxBytes}`,
    );
  }
  return length;
}

function decodeStartup(bytes: Buffer): StartupPacket {
  const reader = new Reader('postgres: start-up packet', 'PG_STARTUP', bytes);
  reader.int32('length');
  const code = reader.uint32('code');
  if (code === SSL_REQUEST_CODE) return ended(reader, { type: 'SSLRequest' });
  if (code === GSSENC_REQUEST_CODE) return ended(reader, { type: 'GSSENCRequest' });
  if (code === CANCEL_REQUEST_CODE) return decodeCancel(reader);
  return decodeStartupMessage(reader, code >>> 16, code & 0xffff);
}

function ended<T>(reader: Reader, packet: T): T {
  reader.end();
  return packet;
}

function decodeCancel(reader: Reader): CancelRequest {
  const processId = reader.int32('process id');
  const key = Buffer.from(reader.rest());
  if (key.length < minCancelKeyBytes || key.length > maxCancelKeyBytes) {
    throw reader.fault(
      'BAD_KEY',
      `CancelRequest key has ${key.length} bytes, expected ${minCancelKeyBytes} to ${maxCancelKeyBytes}`,
    );
  }
  return { type: 'CancelRequest', processId, key };
}

function decodeStartupMessage(reader: Reader, major: number, minor: number): StartupMessage {
  const parameters = new Map<string, string>();
  const protocolOptions: string[] = [];
  // Another major version has a layout that is not ours to guess; the caller refuses it by its number.
  if (major !== 3) return { type: 'StartupMessage', major, minor, parameters, protocolOptions };
  for (;;) {
    const name = reader.cstring('parameter name');
    if (name === '') break;
    const value = reader.cstring('parameter value');
    if (name.startsWith('_pq_.')) {
      if (!protocolOptions.includes(name)) protocolOptions.push(name);
    } else parameters.set(name, value);
  }
  reader.end();
  return { type: 'StartupMessage', major, minor, parameters, protocolOptions };
}

/** Encodes any start-up packet. */
export function encodeStartupPacket(packet: StartupPacket): Buffer {
  const writer = new Writer();
  writer.int32(0);
  switch (packet.type) {
    case 'SSLRequest':
      writer.uint32(SSL_REQUEST_CODE);
      break;
    case 'GSSENCRequest':
      writer.uint32(GSSENC_REQUEST_CODE);
      break;
    case 'CancelRequest':
      writer.uint32(CANCEL_REQUEST_CODE).int32(packet.processId).bytes(packet.key);
      break;
    default:
      writer.uint16(packet.major).uint16(packet.minor);
      for (const [name, value] of packet.parameters) writer.cstring(name).cstring(value);
      for (const name of packet.protocolOptions) writer.cstring(name).cstring('');
      writer.uint8(0);
  }
  writer.patchInt32(0, writer.length);
  return writer.finish();
}

/**
 * What to answer a client that asked for `asked`: the version to speak, and whether NegotiateProtocolVersion must say so (a newer minor than ours was
 * asked, or protocol options we do not know). As PostgreSQL 18 does: 3.1 is spoken as 3.0 without a word.
 */
export function negotiateVersion(asked: StartupMessage): { readonly minor: number; readonly negotiate: boolean } {
  const minor = Math.min(asked.minor, newestMinor);
  return { minor: minor === 1 ? 0 : minor, negotiate: asked.minor > newestMinor || asked.protocolOptions.length > 0 };
}
