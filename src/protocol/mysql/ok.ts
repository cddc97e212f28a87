import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { CLIENT, has, SERVER_STATUS } from './capabilities.ts';
import { readLenenc, readLenencBytes, writeLenenc, writeLenencBytes } from './lenenc.ts';

/**
 * The OK packet (payload only):
 *
 *     0x00 (0xfe at the end of rows with CLIENT.DEPRECATE_EOF) | lenenc affected rows | lenenc last insert id | UInt16LE status | UInt16LE warnings |
 *     lenenc string info | lenenc string session track
 *
 * Info is there when it is not empty or when a session track follows. The manuals say that without CLIENT.SESSION_TRACK it is the bare rest of the packet,
 * but MySQL and MariaDB both write its length in that case too, and clients skip it; both forms are read here, and the servers' one is written.
 * The session track is there with CLIENT.SESSION_TRACK and SERVER_STATUS.SESSION_STATE_CHANGED.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html
 */
export type OkPacket = {
  /** `eof`: the end of rows. */
  readonly header: 'ok' | 'eof';
  readonly affectedRows: bigint;
  readonly lastInsertId: bigint;
  /** SERVER_STATUS bits. */
  readonly status: number;
  readonly warnings: number;
  /** In the client's character set; usually ASCII. A view when decoded. */
  readonly info: Buffer;
  /** The inside of the session track, for `readTrack`. A view when decoded. */
  readonly track?: Buffer;
};

/** An OK that says nothing, with this status. */
export function plainOk(status: number): OkPacket {
  return { header: 'ok', affectedRows: 0n, lastInsertId: 0n, status, warnings: 0, info: Buffer.alloc(0) };
}

/**
 * Encodes an OK payload for a client with `capabilities`. The track is left out when that client has not CLIENT.SESSION_TRACK, or when it is empty; the
 * status bit that announces it follows what is written.
 */
export function encodeOk(ok: OkPacket, capabilities: number): Buffer {
  const track = has(capabilities, CLIENT.SESSION_TRACK) ? ok.track : undefined;
  const tracked = track !== undefined && track.length > 0;
  const announced = tracked ? SERVER_STATUS.SESSION_STATE_CHANGED : 0;
  const status = (ok.status & ~SERVER_STATUS.SESSION_STATE_CHANGED) | announced;
  const writer = new Writer().uint8(ok.header === 'ok' ? okHeader : eofHeader);
  writeLenenc(writeLenenc(writer, ok.affectedRows), ok.lastInsertId).uint16LE(status).uint16LE(ok.warnings);
  if (tracked || ok.info.length > 0) writeLenencBytes(writer, ok.info);
  if (tracked) writeLenencBytes(writer, track);
  return writer.finish();
}

/**
 * Decodes an OK payload of a leg with `capabilities`. That it is one (and no row, and no column count) is the caller's to know. Throws a ProtocolError
 * `MYSQL_OK_*`: `_TOO_SHORT`, `_BAD_HEADER`, `_BAD_NUMBER`, `_TRAILING`.
 */
export function decodeOk(payload: Uint8Array, capabilities: number): OkPacket {
  const reader = new Reader('mysql: OK', 'MYSQL_OK', payload);
  const first = reader.uint8('header');
  if (first !== okHeader && first !== eofHeader)
    throw reader.fault('BAD_HEADER', `begins with ${first}, expected 0 or 254`);
  const header = first === okHeader ? 'ok' : 'eof';
  const affectedRows = readLenenc(reader, 'affected rows');
  const lastInsertId = readLenenc(reader, 'last insert id');
  const status = reader.uint16LE('status');
  const warnings = reader.uint16LE('warnings');
  const tail = has(capabilities, CLIENT.SESSION_TRACK) ? readTail(reader, status) : { info: bareInfo(reader.rest()) };
  return { header, affectedRows, lastInsertId, status, warnings, ...tail };
}

/** The EOF packet of legs without CLIENT.DEPRECATE_EOF: `0xfe | UInt16LE warnings | UInt16LE status`. */
export type EofPacket = { readonly warnings: number; readonly status: number };

/** Is this payload an EOF rather than a row that begins with 0xfe, which has 9 bytes at least? */
export function isEof(payload: Uint8Array): boolean {
  return payload[0] === eofHeader && payload.length < 9;
}

/** Encodes an EOF payload. */
export function encodeEof(eof: EofPacket): Buffer {
  return new Writer(5).uint8(eofHeader).uint16LE(eof.warnings).uint16LE(eof.status).finish();
}

/** Decodes an EOF payload. Throws `MYSQL_EOF_TOO_SHORT`, `MYSQL_EOF_BAD_HEADER`. */
export function decodeEof(payload: Uint8Array): EofPacket {
  const reader = new Reader('mysql: EOF', 'MYSQL_EOF', payload);
  if (!isEof(payload)) throw reader.fault('BAD_HEADER', 'is not an EOF');
  reader.skip('header', 1);
  return { warnings: reader.uint16LE('warnings'), status: reader.uint16LE('status') };
}

const okHeader = 0x00;
const eofHeader = 0xfe;

function readTail(reader: Reader, status: number): { readonly info: Buffer; readonly track?: Buffer } {
  if (reader.remaining === 0) return { info: Buffer.alloc(0) };
  const info = readLenencBytes(reader, 'info');
  if (!has(status, SERVER_STATUS.SESSION_STATE_CHANGED) || reader.remaining === 0) return ended(reader, { info });
  return ended(reader, { info, track: readLenencBytes(reader, 'session track') });
}

function ended<T>(reader: Reader, value: T): T {
  reader.end();
  return value;
}

/** Without its length when there is one that fits. */
function bareInfo(rest: Buffer): Buffer {
  if (rest.length === 0) return rest;
  const reader = new Reader('mysql: OK info', 'MYSQL_OK', rest);
  try {
    return ended(reader, readLenencBytes(reader, 'info'));
  } catch {
    return rest;
  }
}
