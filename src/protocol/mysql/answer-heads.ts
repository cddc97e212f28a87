import { Reader } from '../../wire/reader.ts';
import { readLenenc } from './lenenc.ts';

/** What the first packet of a result set says. */
export type ColumnCount = {
  readonly columns: number;
  /** Their definitions follow. */
  readonly definitions: boolean;
};

/**
 * Reads `lenenc columns`, and behind it one byte that tells whether definitions follow when `cachesMetadata` (MARIADB_CLIENT.CACHE_METADATA is agreed on). Throws
 * `MYSQL_COLUMN_COUNT_*`. https://mariadb.com/kb/en/result-set-packets/
 */
export function readColumnCount(payload: Buffer, cachesMetadata: boolean): ColumnCount {
  const reader = new Reader('mysql: column count', 'MYSQL_COLUMN_COUNT', payload);
  const columns = readLenenc(reader, 'columns');
  if (columns === 0n || columns > maxColumns)
    throw reader.fault('BAD_COUNT', `is ${columns}, expected 1 to ${maxColumns}`);
  const follows = cachesMetadata ? reader.uint8('definitions follow') : 1;
  if (follows > 1) throw reader.fault('BAD_FLAG', `says ${follows} for definitions follow, expected 0 or 1`);
  reader.end();
  return { columns: Number(columns), definitions: follows === 1 };
}

/** What the first packet of a COM_STMT_PREPARE's answer says. */
export type PrepareOk = {
  readonly id: number;
  readonly columns: number;
  readonly parameters: number;
  readonly warnings: number;
};

/** Reads `0x00 | u32 id | u16 columns | u16 parameters | 0x00 | u16 warnings`. Throws `MYSQL_PREPARE_OK_*`. */
export function readPrepareOk(payload: Buffer): PrepareOk {
  const reader = new Reader('mysql: answer to COM_STMT_PREPARE', 'MYSQL_PREPARE_OK', payload);
  const header = reader.uint8('header');
  if (header !== 0) throw reader.fault('BAD_HEADER', `begins with ${header}, expected 0 or 255`);
  const id = reader.uint32LE('statement id');
  const columns = reader.uint16LE('columns');
  const parameters = reader.uint16LE('parameters');
  reader.skip('filler', 1);
  const warnings = reader.uint16LE('warnings');
  reader.end();
  return { id, columns, parameters, warnings };
}

/** Servers stop at 4096. */
const maxColumns = 65_535n;
