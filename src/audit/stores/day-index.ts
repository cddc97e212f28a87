import { closeSync, openSync, rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { StoredEvent } from '../stored-event.ts';

/**
 * The index of one day's file: where each event stands, by time, user, database, event and words. It holds nothing that the file does not, and is made anew
 * from it when it is missing or does not fit. One writer.
 */
export class DayIndex {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #insertWords: StatementSync;
  readonly #find: StatementSync;
  readonly #highest: StatementSync;
  #open = false;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare(
      'INSERT OR IGNORE INTO events(time, uid, user, db, event, code, offset, length) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#insertWords = database.prepare('INSERT INTO words(rowid, body) VALUES (?, ?)');
    this.#find = database.prepare('SELECT 1 FROM events WHERE uid = ?');
    this.#highest = database.prepare('SELECT max(uid) AS uid FROM events WHERE uid BETWEEN ? AND ?');
  }

  /** Opens or makes it. Throws when the file is not one of ours or damaged: `remove` it and open again. */
  static open(path: string): DayIndex {
    // SQLite gives its other files the mode of this one.
    closeSync(openSync(path, 'a', 0o600));
    const database = new DatabaseSync(path);
    try {
      database.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768; PRAGMA trusted_schema = OFF',
      );
      const { user_version: version } = { ...database.prepare('PRAGMA user_version').get() };
      if (version === 0) database.exec(SCHEMA);
      else if (version !== VERSION) throw new Error(`index version ${String(version)}, expected ${VERSION}`);
      return new DayIndex(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Deletes it. */
  static remove(path: string): void {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(path + end, { force: true });
  }

  /** How much of the file it knows. */
  get indexedBytes(): number {
    return numberOf(this.#database.prepare('SELECT bytes FROM progress').get()?.['bytes']);
  }

  /** The event that stands last in the file, by its place and uid. */
  get last(): { readonly offset: number; readonly length: number; readonly uid: string } | undefined {
    const row = this.#database.prepare('SELECT offset, length, uid FROM events ORDER BY id DESC LIMIT 1').get();
    if (row === undefined) return undefined;
    const { offset, length, uid } = row;
    return {
      offset: numberOf(offset),
      length: numberOf(length),
      uid: uid instanceof Uint8Array ? Buffer.from(uid).toString('hex') : '',
    };
  }

  has(uid: string): boolean {
    return this.#find.get(uidBytes(uid)) !== undefined;
  }

  /** The highest uid that begins like this one (all but its last twelve digits): as many digits, without dashes. */
  highestLike(uid: string): string | undefined {
    const source = uid.slice(0, SOURCE_LENGTH);
    const row = this.#highest.get(uidBytes(`${source}000000000000`), uidBytes(`${source}ffffffffffff`));
    return row?.['uid'] instanceof Uint8Array ? Buffer.from(row['uid']).toString('hex') : undefined;
  }

  begin(): void {
    this.#database.exec('BEGIN IMMEDIATE');
    this.#open = true;
  }

  /** False when the uid is there already. Within `begin` and `commit`. */
  add(event: StoredEvent, offset: number, length: number): boolean {
    const { changes, lastInsertRowid } = this.#insert.run(
      event.timeMs,
      uidBytes(event.uid),
      event.user ?? null,
      event.database ?? null,
      event.event,
      event.code,
      offset,
      length,
    );
    if (changes === 0) return false;
    this.#insertWords.run(lastInsertRowid, event.text);
    return true;
  }

  /** Now knows the file up to `bytes`. */
  commit(bytes: number): void {
    this.#database.prepare('UPDATE progress SET bytes = ?').run(bytes);
    this.#database.exec('COMMIT');
    this.#open = false;
  }

  /** Never throws. */
  rollback(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#database.exec('ROLLBACK');
    } catch {
      // SQLite rolled back by itself (disk full, I/O fault).
    }
  }

  close(): void {
    this.#database.close();
  }
}

function uidBytes(uid: string): Buffer {
  return Buffer.from(uid.replaceAll('-', ''), 'hex');
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** Of a uid as text, up to and with its last dash. */
export const SOURCE_LENGTH = 24;
const VERSION = 1;
const SCHEMA = `
  BEGIN;
  CREATE TABLE events(
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, uid BLOB NOT NULL UNIQUE, user TEXT, db TEXT, event TEXT NOT NULL, code TEXT NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX by_time ON events(time);
  CREATE INDEX by_user ON events(user, time) WHERE user IS NOT NULL;
  CREATE INDEX by_db ON events(db, time) WHERE db IS NOT NULL;
  CREATE INDEX by_event ON events(event, time);
  CREATE VIRTUAL TABLE words USING fts5(body, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2');
  CREATE TABLE progress(bytes INTEGER NOT NULL) STRICT;
  INSERT INTO progress VALUES (0);
  PRAGMA user_version = ${VERSION};
  COMMIT;
`;
