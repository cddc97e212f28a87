import { BugError, LimitError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { CLIENT, has } from './capabilities.ts';
import { readLenencBytes, readLength, writeLenencBytes } from './lenenc.ts';

/**
 * What a client says after the greeting (payloads only). SSLRequest is the first 32 bytes alone:
 *
 *     UInt32LE capabilities | UInt32LE longest packet | UInt8 charset | 23 reserved (MariaDB: 19, UInt32LE extended capabilities) |
 *     user\0 | authentication data | database\0 | plugin\0 | attributes | UInt8 zstd level
 *
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html and
 * https://mariadb.com/kb/en/connection/#client-handshake-response
 */
export type HandshakeResponse = ClientFlags & {
  /** UTF-8 on the wire. May be empty. Zero-free. */
  readonly user: string;
  /** What the plugin answers to the scramble; empty for an empty password. At most 255 bytes without CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA. */
  readonly authResponse: Buffer;
  /** Exactly when CLIENT.CONNECT_WITH_DB. */
  readonly database?: string;
  /** Exactly when CLIENT.PLUGIN_AUTH. */
  readonly plugin?: string;
  /** Connection attributes, of a repeated name the last; empty without CLIENT.CONNECT_ATTRS. Names and values are the client's claims, invalid UTF-8 replaced. */
  readonly attributes: ReadonlyMap<string, string>;
};

/** The part that SSLRequest and HandshakeResponse41 share. */
export type ClientFlags = {
  /** CLIENT bits, as an unsigned number. */
  readonly capabilities: number;
  /** MARIADB_CLIENT bits; 0 when CLIENT.LONG_PASSWORD is set. */
  readonly extended: number;
  readonly maxPacketSize: number;
  /** Low byte of a collation's number. */
  readonly charset: number;
};

/** The usual limit of a whole handshake response: names, a token as password, and attributes, which MySQL limits to 64 KiB. */
export const defaultMaxHandshakeBytes = 128 * 1024;
/** Payload of an SSLRequest. */
export const SSL_REQUEST_BYTES = 32;

/** Encodes an SSLRequest; CLIENT.SSL is set whatever `flags` says. */
export function encodeSslRequest(flags: ClientFlags): Buffer {
  return fixedPart(new Writer(SSL_REQUEST_BYTES), {
    ...flags,
    capabilities: (flags.capabilities | CLIENT.SSL) >>> 0,
  }).finish();
}

/**
 * Is this the payload of an SSLRequest: 32 bytes, CLIENT.SSL among the capabilities? A HandshakeResponse41 is never that short. Throws `MYSQL_SSL_REQUEST_TOO_OLD`
 * for a client before 4.1. Undefined: it is something else.
 */
export function decodeSslRequest(payload: Uint8Array): ClientFlags | undefined {
  if (payload.length !== SSL_REQUEST_BYTES) return undefined;
  const flags = readFixedPart(new Reader('mysql: SSLRequest', 'MYSQL_SSL_REQUEST', payload));
  return has(flags.capabilities, CLIENT.SSL) ? flags : undefined;
}

/** Encodes a HandshakeResponse41. The fields that are there must be those that the capabilities announce, or it is a bug. */
export function encodeHandshakeResponse(response: HandshakeResponse): Buffer {
  const { capabilities, authResponse, database, plugin, attributes } = response;
  const writer = fixedPart(new Writer(), response).cstring(response.user);
  if (has(capabilities, CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA)) writeLenencBytes(writer, authResponse);
  else writer.uint8(authResponse.length).bytes(authResponse);
  agree(capabilities, CLIENT.CONNECT_WITH_DB, database !== undefined);
  agree(capabilities, CLIENT.PLUGIN_AUTH, plugin !== undefined);
  if (attributes.size > 0) agree(capabilities, CLIENT.CONNECT_ATTRS, true);
  if (has(capabilities, CLIENT.ZSTD_COMPRESSION_ALGORITHM)) throw new BugError('compression is never asked for');
  if (database !== undefined) writer.cstring(database);
  if (plugin !== undefined) writer.cstring(plugin);
  if (has(capabilities, CLIENT.CONNECT_ATTRS)) writeLenencBytes(writer, encodeAttributes(attributes));
  return writer.finish();
}

/**
 * Decodes a HandshakeResponse41's payload; it shares no memory with it. A plugin and attributes that were announced and are missing at the end count as
 * empty, and what follows the known fields is ignored, both as MySQL does. Throws a LimitError `MYSQL_HANDSHAKE_RESPONSE_TOO_LONG` above `maxBytes`, else
 * a ProtocolError `MYSQL_HANDSHAKE_RESPONSE_*`: `_TOO_SHORT`, `_UNTERMINATED`, `_BAD_NUMBER`, `_TOO_OLD` (a client before 4.1), `_NOT_UTF8` (a user's or
 * database's name; a replaced character would make two names one).
 */
export function decodeHandshakeResponse(payload: Uint8Array, maxBytes = defaultMaxHandshakeBytes): HandshakeResponse {
  if (payload.length > maxBytes)
    throw new LimitError(
      'MYSQL_HANDSHAKE_RESPONSE_TOO_LONG',
      `mysql: handshake response of ${payload.length} bytes exceeds maxHandshakeBytes ${maxBytes}`,
    );
  const reader = new Reader('mysql: handshake response', 'MYSQL_HANDSHAKE_RESPONSE', payload);
  const flags = readFixedPart(reader);
  const { capabilities } = flags;
  const user = name(reader, 'user');
  const authResponse = Buffer.from(readAuthResponse(reader, capabilities));
  const database = has(capabilities, CLIENT.CONNECT_WITH_DB) ? name(reader, 'database') : undefined;
  const plugin = has(capabilities, CLIENT.PLUGIN_AUTH) ? optional(reader, 'plugin') : undefined;
  const attributes = has(capabilities, CLIENT.CONNECT_ATTRS) ? readAttributes(reader) : new Map<string, string>();
  return {
    ...flags,
    user,
    authResponse,
    ...(database === undefined ? {} : { database }),
    ...(plugin === undefined ? {} : { plugin }),
    attributes,
  };
}

function fixedPart(writer: Writer, flags: ClientFlags): Writer {
  writer.uint32LE(flags.capabilities).uint32LE(flags.maxPacketSize).uint8(flags.charset).bytes(Buffer.alloc(19));
  return writer.uint32LE(has(flags.capabilities, CLIENT.LONG_PASSWORD) ? 0 : flags.extended);
}

function readFixedPart(reader: Reader): ClientFlags {
  // The form before 4.1 has 16 bits of capabilities, among which this one is unset.
  const low = reader.uint16LE('capabilities');
  if (!has(low, CLIENT.PROTOCOL_41))
    throw reader.fault('TOO_OLD', 'lacks CLIENT_PROTOCOL_41: clients before 4.1 are not supported');
  const capabilities = (low | (reader.uint16LE('capabilities') << 16)) >>> 0;
  const maxPacketSize = reader.uint32LE('longest packet');
  const charset = reader.uint8('character set');
  reader.skip('reserved bytes', 19);
  const reserved = reader.uint32LE('extended capabilities');
  const extended = has(capabilities, CLIENT.LONG_PASSWORD) ? 0 : reserved;
  return { capabilities, extended, maxPacketSize, charset };
}

function readAuthResponse(reader: Reader, capabilities: number): Buffer {
  if (has(capabilities, CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA)) return readLenencBytes(reader, 'authentication data');
  if (has(capabilities, CLIENT.SECURE_CONNECTION))
    return reader.bytes('authentication data', reader.uint8('authentication data'));
  return Buffer.from(reader.cstringLatin1('authentication data'), 'latin1');
}

function name(reader: Reader, field: string): string {
  const bytes = Buffer.from(reader.cstringLatin1(field), 'latin1');
  const text = bytes.toString('utf8');
  if (!bytes.equals(Buffer.from(text))) throw reader.fault('NOT_UTF8', `${field} is not UTF-8`);
  return text;
}

function optional(reader: Reader, field: string): string {
  return reader.remaining === 0 ? '' : reader.cstring(field);
}

function readAttributes(reader: Reader): Map<string, string> {
  const attributes = new Map<string, string>();
  if (reader.remaining === 0) return attributes;
  const inner = reader.sub('attributes', readLength(reader, 'attributes'));
  while (inner.remaining > 0) {
    const key = readLenencBytes(inner, 'attribute name').toString('utf8');
    attributes.set(key, readLenencBytes(inner, 'attribute value').toString('utf8'));
  }
  return attributes;
}

function encodeAttributes(attributes: ReadonlyMap<string, string>): Buffer {
  const writer = new Writer();
  for (const [key, value] of attributes) {
    writeLenencBytes(writer, Buffer.from(key));
    writeLenencBytes(writer, Buffer.from(value));
  }
  return writer.finish();
}

function agree(capabilities: number, flag: number, there: boolean): void {
  if (has(capabilities, flag) !== there) throw new BugError(`capability ${flag} and its field must be there together`);
}
