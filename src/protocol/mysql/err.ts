import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { CLIENT, has } from './capabilities.ts';
import { readLenencBytes } from './lenenc.ts';
import type { ServerError } from './records.ts';

/**
 * The ERR packet (payload only):
 *
 *     0xff | UInt16LE code | '#' and 5 characters SQLSTATE | message
 *
 * In place of a greeting the SQLSTATE is missing. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html
 */

/** SQLSTATE where a server says none: general error. */
export const GENERAL_SQL_STATE = 'HY000';
/** A message is cut behind this many bytes: servers say at most 512. */
export const maxErrorMessageBytes = 4096;

/** Is this payload an ERR (or, from MariaDB, a progress report)? */
export function isErr(payload: Uint8Array): boolean {
  return payload[0] === errHeader;
}

/** Is this payload one of MariaDB's progress reports, which look like an ERR and are no end of anything? Only with MARIADB_CLIENT.PROGRESS. */
export function isProgress(payload: Uint8Array): boolean {
  return payload[0] === errHeader && payload[1] === 0xff && payload[2] === 0xff;
}

/** Encodes an ERR payload. `sqlState: false` in place of a greeting: the client would show it as text. */
export function encodeErr(error: ServerError, options: { readonly sqlState: boolean }): Buffer {
  const writer = new Writer().uint8(errHeader).uint16LE(error.code);
  if (options.sqlState) writer.string('#').string(soundState(error.sqlState));
  return writer.bytes(Buffer.from(error.message).subarray(0, maxErrorMessageBytes)).finish();
}

/**
 * Decodes an ERR payload. Before the handshake pass 0 for `capabilities`: the SQLSTATE is then read only if it looks like one. Throws `MYSQL_ERR_TOO_SHORT`,
 * `MYSQL_ERR_BAD_HEADER`.
 */
export function decodeErr(payload: Uint8Array, capabilities: number): ServerError {
  const reader = new Reader('mysql: ERR', 'MYSQL_ERR', payload);
  const header = reader.uint8('header');
  if (header !== errHeader) throw reader.fault('BAD_HEADER', `begins with ${header}, expected 255`);
  const code = reader.uint16LE('code');
  const text = reader.rest();
  const mark = /^#([0-9A-Z]{5})/.exec(text.toString('latin1', 0, 6));
  const marked = text[0] === 0x23 && text.length >= 6 && has(capabilities, CLIENT.PROTOCOL_41);
  const from = mark !== null || marked ? 6 : 0;
  const message = text.toString('utf8', from, Math.min(text.length, from + maxErrorMessageBytes));
  return { code, sqlState: mark?.[1] ?? GENERAL_SQL_STATE, message };
}

/** What a progress report says: `stage` of `stages`, and thousandths of a percent of this one. */
export type Progress = {
  readonly stage: number;
  readonly stages: number;
  readonly progress: number;
  readonly text: string;
};

/** Decodes MariaDB's progress report. Throws `MYSQL_PROGRESS_*`. https://mariadb.com/kb/en/progress-reporting/ */
export function decodeProgress(payload: Uint8Array): Progress {
  const reader = new Reader('mysql: progress report', 'MYSQL_PROGRESS', payload);
  if (!isProgress(payload)) throw reader.fault('BAD_HEADER', 'does not begin with 255 255 255');
  reader.skip('header', 3);
  reader.skip('number of strings', 1);
  const stage = reader.uint8('stage');
  const stages = reader.uint8('stages');
  const progress = reader.uint24LE('progress');
  const text = readLenencBytes(reader, 'text').toString('utf8', 0, maxErrorMessageBytes);
  return { stage, stages, progress, text };
}

const errHeader = 0xff;

function soundState(sqlState: string): string {
  return /^[0-9A-Z]{5}$/.test(sqlState) ? sqlState : GENERAL_SQL_STATE;
}
