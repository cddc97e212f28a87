import { chmodSync, closeSync, constants, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../errors.ts';

/** The file under the SQLite store: made private, opened durable, of a schema that we know. */

/** `busyTimeoutMs`: how long a write waits for another process's. `readOnly`: a second process that only looks. */
export type DatabaseOptions = { readonly busyTimeoutMs: number; readonly readOnly: boolean };

/**
 * Opens the database at `path`; makes it (mode 0600, in folders of mode 0700) when it is missing and not `readOnly`. Write-ahead log, synchronous FULL: what was written
 * survives power loss. Throws StorageError `STATE_UNSAFE_FOLDER` when others may write the folder, `STATE_SCHEMA_TOO_NEW`, `STATE_NOT_OURS`, `STATE_UNREADABLE`.
 */
export function openDatabase(path: string, options: DatabaseOptions): DatabaseSync {
  if (!options.readOnly) secureFile(path);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: options.readOnly, timeout: options.busyTimeoutMs });
    if (!options.readOnly) {
      database.exec('PRAGMA journal_mode = WAL');
      database.exec('PRAGMA synchronous = FULL');
      // Removed tokens and keys are overwritten, not only unlinked.
      database.exec('PRAGMA secure_delete = ON');
    }
    database.exec('PRAGMA trusted_schema = OFF');
    checkSchema(database, path, options.readOnly);
    return database;
  } catch (error) {
    database?.close();
    throw toStorageError(error, `state file ${path}`);
  }
}

/** Turns SQLite's error into ours. Its text names tables at most, never values. */
export function toStorageError(error: unknown, subject: string): Error {
  if (error instanceof StorageError || !(error instanceof Error) || !('errcode' in error)) {
    return error instanceof Error ? error : new StorageError('STATE_FAILED', `${subject}: failed`, { cause: error });
  }
  // The primary result code is the low byte.
  const [code, text] = RESULT_CODES[Number(error.errcode) & 0xff] ?? ['STATE_FAILED', 'failed'];
  return new StorageError(code, `${subject}: ${text}`, { cause: error });
}

function secureFile(path: string): void {
  const folder = dirname(path);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { mode } = statSync(folder);
    if ((mode & 0o022) !== 0) {
      throw new StorageError(
        'STATE_UNSAFE_FOLDER',
        `state folder ${folder}: group or others may write it, expected mode 0700: run chmod 700`,
      );
    }
    closeSync(openSync(path, constants.O_CREAT | constants.O_RDWR, 0o600));
    // SQLite gives its -wal and -shm files the mode of this one.
    chmodSync(path, 0o600);
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw new StorageError('STATE_UNREADABLE', `state file ${path}: can not be made or opened`, { cause: error });
  }
}

function checkSchema(database: DatabaseSync, path: string, readOnly: boolean): void {
  const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table'").get()?.['n'];
  if (tables === 0 && !readOnly) {
    database.exec(SCHEMA);
  }
  const known = database
    .prepare("SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table' AND name = 'meta'")
    .get()?.['n'];
  if (known !== 1) throw new StorageError('STATE_NOT_OURS', `state file ${path}: it is not a Tessera state file`);
  const version = database.prepare("SELECT value FROM meta WHERE name = 'schema_version'").get()?.['value'];
  if (typeof version !== 'number')
    throw new StorageError('STATE_NOT_OURS', `state file ${path}: it has no schema version`);
  if (version > SCHEMA_VERSION) {
    throw new StorageError(
      'STATE_SCHEMA_TOO_NEW',
      `state file ${path}: schema version ${version} is newer than ${SCHEMA_VERSION}, which this program knows: use the newer program`,
    );
  }
}

/** SQLite result codes (sqlite.org/rescode.html) that an operator can act upon. */
const RESULT_CODES: { readonly [code: number]: readonly [string, string] } = {
  5: ['STATE_BUSY', 'another process is writing for longer than busyTimeoutMs'],
  6: ['STATE_BUSY', 'another process is writing for longer than busyTimeoutMs'],
  8: ['STATE_READ_ONLY', 'it was opened to read only'],
  10: ['STATE_FAILED', 'the disk failed'],
  11: ['STATE_CORRUPT', 'it is damaged, restore a backup'],
  13: ['STATE_FULL', 'the disk is full'],
  14: ['STATE_UNREADABLE', 'it can not be opened'],
  26: ['STATE_NOT_OURS', 'it is not a Tessera state file'],
};
const SCHEMA_VERSION = 1;
/**
 * `log` has one row for each revision, without the value: the value is in `items`, so secrets that were removed are gone and a busy key costs little. `compacted` is the
 * newest revision that the log has forgotten.
 */
const SCHEMA = `
BEGIN EXCLUSIVE;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL, expires_ms INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_expiry ON items (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, removed INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO meta VALUES ('schema_version', ${SCHEMA_VERSION}), ('revision', 0), ('compacted', 0);
COMMIT;
`;
