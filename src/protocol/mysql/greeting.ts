import { BugError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { CLIENT, has } from './capabilities.ts';
import { isErr } from './err.ts';

/**
 * The server's first packet, HandshakeV10 (payload only):
 *
 *     0x0a | version\0 | UInt32LE connection id | 8 bytes scramble | 0 | UInt16LE capabilities (low) | UInt8 charset | UInt16LE status |
 *     UInt16LE capabilities (high) | UInt8 length of all scramble bytes and a zero | 10 reserved (MariaDB: 6, UInt32LE extended capabilities) |
 *     the rest of the scramble, 0 | plugin\0
 *
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html and https://mariadb.com/kb/en/connection/
 */
export type Greeting = {
  /** As said, e.g. `9.7.4`, `11.8.9-MariaDB` or `5.5.5-10.11.14-MariaDB`. Zero-free. */
  readonly serverVersion: string;
  /** The thread id that KILL takes. */
  readonly connectionId: number;
  /** 20 bytes from every known server; at least 8 when decoded, exactly 20 to encode. */
  readonly scramble: Buffer;
  /** CLIENT bits, as an unsigned number. */
  readonly capabilities: number;
  /** MARIADB_CLIENT bits; 0 when CLIENT.LONG_PASSWORD is set, which is how MySQL says that it has none. */
  readonly extended: number;
  /** Low byte of the default collation's number. */
  readonly charset: number;
  /** SERVER_STATUS bits. */
  readonly status: number;
  /** The authentication plugin that the scramble is for; empty when the server names none. */
  readonly plugin: string;
};

/** Bytes of the scramble in a greeting of ours. */
export const SCRAMBLE_BYTES = 20;

/** Encodes a greeting's payload, with CLIENT.SECURE_CONNECTION and PLUGIN_AUTH or not as its capabilities say. */
export function encodeGreeting(greeting: Greeting): Buffer {
  const { capabilities, scramble } = greeting;
  if (scramble.length !== SCRAMBLE_BYTES || scramble.includes(0))
    throw new BugError(`a scramble has ${SCRAMBLE_BYTES} bytes and no zero among them`);
  const writer = new Writer().uint8(protocolVersion).cstring(greeting.serverVersion).uint32LE(greeting.connectionId);
  writer
    .bytes(scramble.subarray(0, firstPart))
    .uint8(0)
    .uint16LE(capabilities & 0xffff);
  writer
    .uint8(greeting.charset)
    .uint16LE(greeting.status)
    .uint16LE(capabilities >>> 16);
  const named = has(capabilities, CLIENT.PLUGIN_AUTH);
  writer.uint8(named ? SCRAMBLE_BYTES + 1 : 0).bytes(Buffer.alloc(6));
  writer.uint32LE(has(capabilities, CLIENT.LONG_PASSWORD) ? 0 : greeting.extended);
  if (has(capabilities, CLIENT.SECURE_CONNECTION)) writer.bytes(scramble.subarray(firstPart)).uint8(0);
  if (named) writer.cstring(greeting.plugin);
  return writer.finish();
}

/**
 * Decodes a greeting's payload; it shares no memory with it. A server that refuses says ERR instead: ask {@link isErr} first. Bytes behind the plugin's name
 * are ignored, as clients do. Throws a ProtocolError `MYSQL_GREETING_*`: `_TOO_SHORT`, `_UNTERMINATED`, `_IS_ERR`, `_BAD_VERSION` (a protocol that
 * is not 10), `_TOO_OLD` (a server before 4.1), `_TOO_LONG` (a version or plugin that nobody has).
 */
export function decodeGreeting(payload: Buffer): Greeting {
  const reader = new Reader('mysql: greeting', 'MYSQL_GREETING', payload);
  if (isErr(payload)) throw reader.fault('IS_ERR', 'is an error packet');
  const protocol = reader.uint8('protocol version');
  if (protocol !== protocolVersion) throw reader.fault('BAD_VERSION', `has protocol ${protocol}, expected 10`);
  const serverVersion = bounded(reader, 'server version', reader.cstring('server version'));
  const connectionId = reader.uint32LE('connection id');
  const first = reader.bytes('scramble', firstPart);
  reader.skip('filler', 1);
  const low = reader.uint16LE('capabilities');
  const charset = reader.uint8('character set');
  const status = reader.uint16LE('status');
  const capabilities = (low | (reader.uint16LE('capabilities') << 16)) >>> 0;
  if (!has(capabilities, CLIENT.PROTOCOL_41))
    throw reader.fault('TOO_OLD', 'lacks CLIENT_PROTOCOL_41: servers before 4.1 are not supported');
  const length = reader.uint8('scramble length');
  reader.skip('reserved bytes', 6);
  const reserved = reader.uint32LE('extended capabilities');
  const extended = has(capabilities, CLIENT.LONG_PASSWORD) ? 0 : reserved;
  const scramble = Buffer.concat([first, secondPart(reader, capabilities, length)]);
  const plugin = has(capabilities, CLIENT.PLUGIN_AUTH) ? bounded(reader, 'plugin', pluginName(reader)) : '';
  return { serverVersion, connectionId, scramble, capabilities, extended, charset, status, plugin };
}

/** Is this a MariaDB server? By its version text; one that names itself otherwise is taken for MySQL, unless it leaves CLIENT_MYSQL (bit 0) unset. */
export function isMariadb(server: Pick<Greeting, 'serverVersion' | 'capabilities'> | string): boolean {
  if (typeof server === 'string') return /mariadb/i.test(server) || server.startsWith(replicationPrefix);
  return isMariadb(server.serverVersion) || !has(server.capabilities, CLIENT.LONG_PASSWORD);
}

const protocolVersion = 10;
const firstPart = 8;
const replicationPrefix = '5.5.5-';
const maxNameChars = 256;

/** Rest of the scramble: 13 bytes at least whatever its length says, the last of them a zero that is not part of it. */
function secondPart(reader: Reader, capabilities: number, length: number): Buffer {
  if (!has(capabilities, CLIENT.SECURE_CONNECTION)) return Buffer.alloc(0);
  const part = reader.bytes('scramble', Math.max(13, length - firstPart));
  return part.subarray(0, part.at(-1) === 0 ? -1 : undefined);
}

/** Servers 5.5.7 to 5.5.9 and 5.6.0 to 5.6.1 forgot the zero. */
function pluginName(reader: Reader): string {
  const rest = reader.rest();
  const zero = rest.indexOf(0);
  return rest.toString('utf8', 0, zero < 0 ? rest.length : zero);
}

function bounded(reader: Reader, field: string, text: string): string {
  if (text.length > maxNameChars)
    throw reader.fault('TOO_LONG', `${field} has ${text.length} characters, expected at most ${maxNameChars}`);
  return text;
}
