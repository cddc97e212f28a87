import { closeSync, openSync, rmSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import { readStoredLine, type StoredEvent } from '../stored-event.ts';
import { BLOCK_ROWS, type Column, columnId, COLUMNS, packColumn } from './day-columns.ts';
import { shardOf, shardSchema, shardTable } from './day-words.ts';

/**
 * The index of one day's file: what each event is found and counted by (day-columns.ts), where it stands, its words, and the uids that are there. It holds
 * nothing that the file does not, and is made anew from it when it is missing, of another version or does not fit. One writer.
 */
export class DayIndex {
  readonly #database: DatabaseSync;
  readonly #insertUid: StatementSync;
  readonly #insertRow: StatementSync;
  readonly #insertName: StatementSync;
  readonly #findName: StatementSync;
  readonly #find: StatementSync;
  readonly #highest: StatementSync;
  readonly #names = new LRUCache<string, number>({ max: MAX_NAMES });
  #words: { readonly shard: number; readonly insert: StatementSync } | undefined;
  #nextId = 1;
  #firstTail = 1;
  #last: { offset: number; length: number; uid: Buffer } | undefined;
  #open = false;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insertUid = database.prepare('INSERT OR IGNORE INTO uids(uid) VALUES (?)');
    this.#insertRow = database.prepare(
      `INSERT INTO tail(id, ${COLUMNS.join(', ')}) VALUES (?, ${COLUMNS.map(() => '?').join(', ')})`,
    );
    this.#insertName = database.prepare('INSERT INTO names(type, name) VALUES (?, ?)');
    this.#findName = database.prepare('SELECT id FROM names WHERE type = ? AND name = ?');
    this.#find = database.prepare('SELECT 1 FROM uids WHERE uid = ?');
    this.#highest = database.prepare('SELECT max(uid) AS uid FROM uids WHERE uid BETWEEN ? AND ?');
    this.#readIds();
  }

  /** Opens or makes it. Throws when the file is not one of ours, of another version or damaged: `remove` it and open again. */
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
    return lastIndexed(this.#database).bytes;
  }

  /** Whether it was made of the file. */
  isOf(file: FileHandle, size: number): Promise<'whole' | 'part' | 'foreign'> {
    return isIndexOf(this.#database, file, size);
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
    const uid = uidBytes(event.uid);
    if (this.#insertUid.run(uid).changes === 0) return false;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#insertRow.run(
      id,
      event.timeMs,
      this.#nameId(NAMES.user, event.user),
      this.#nameId(NAMES.db, event.database),
      this.#nameId(NAMES.session, event.session),
      this.#nameId(NAMES.kind, kindName(event)),
      offset,
      length,
    );
    this.#wordsOf(id).run(id, event.text);
    this.#last = { offset, length, uid };
    return true;
  }

  /** Now knows the file up to `bytes`. */
  commit(bytes: number): void {
    while (this.#nextId - this.#firstTail >= BLOCK_ROWS) this.#pack(BLOCK_ROWS);
    this.#database
      .prepare(
        'UPDATE progress SET bytes = ?, last_offset = coalesce(?, last_offset), last_length = coalesce(?, last_length), last_uid = coalesce(?, last_uid)',
      )
      .run(bytes, this.#last?.offset ?? null, this.#last?.length ?? null, this.#last?.uid ?? null);
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
    this.#names.clear();
    this.#words = undefined;
    this.#last = undefined;
    this.#readIds();
  }

  /** Leaves the index as a reader likes it best. Never throws. */
  close(): void {
    try {
      this.#packRest();
    } catch {
      this.rollback();
    }
    this.#database.close();
  }

  #readIds(): void {
    const { first, next } = {
      ...this.#database
        .prepare(
          'SELECT (SELECT coalesce(max(first + count), 1) FROM blocks) AS first, (SELECT max(id) + 1 FROM tail) AS next',
        )
        .get(),
    };
    this.#firstTail = Number(first ?? 1);
    this.#nextId = Number(next ?? this.#firstTail);
  }

  #wordsOf(id: number): StatementSync {
    const shard = shardOf(id);
    if (this.#words?.shard !== shard) {
      const table = shardTable(shard);
      const exists = this.#database.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table) !== undefined;
      if (!exists) this.#database.exec(shardSchema(shard));
      this.#words = { shard, insert: this.#database.prepare(`INSERT INTO ${table}(rowid, body) VALUES (?, ?)`) };
    }
    return this.#words.insert;
  }

  #nameId(type: number, name: string | undefined): number {
    if (name === undefined) return 0;
    const key = `${type} ${name}`;
    const known = this.#names.get(key) ?? numberOf(this.#findName.get(type, name)?.['id']);
    const id = known > 0 ? known : Number(this.#insertName.run(type, name).lastInsertRowid);
    this.#names.set(key, id);
    return id;
  }

  /** A day that is over, or not used for a while: a reader need not go through single rows. A short block for each opening would be as slow. */
  #packRest(): void {
    const count = this.#nextId - this.#firstTail;
    if (this.#open || count < LEAST_PACKED_ROWS) return;
    this.begin();
    this.#pack(count);
    this.#database.exec('COMMIT');
    this.#open = false;
  }

  #pack(count: number): void {
    const first = this.#firstTail;
    const rows = this.#database.prepare('SELECT * FROM tail WHERE id < ? ORDER BY id').all(first + count);
    const times = rows.map((row) => numberOf(row['time']));
    const minTime = times.reduce((least, time) => Math.min(least, time), Number.MAX_SAFE_INTEGER);
    const maxTime = times.reduce((most, time) => Math.max(most, time), 0);
    const insert = this.#database.prepare('INSERT INTO columns(id, bytes) VALUES (?, ?)');
    for (const column of COLUMNS) {
      const values = column === 'time' ? times.map((time) => time - minTime) : rows.map((row) => numberOf(row[column]));
      insert.run(columnId(first, column), packColumn(values));
    }
    this.#database
      .prepare('INSERT INTO blocks(first, count, min_time, max_time) VALUES (?, ?, ?, ?)')
      .run(first, rows.length, minTime, maxTime);
    this.#database.prepare('DELETE FROM tail WHERE id < ?').run(first + count);
    this.#firstTail = first + count;
  }
}

/** Whether the index was made of the file: all of it, its beginning, or not at all. */
export async function isIndexOf(
  database: DatabaseSync,
  file: FileHandle,
  size: number,
): Promise<'whole' | 'part' | 'foreign'> {
  const { bytes, last } = lastIndexed(database);
  if (bytes > size) return 'foreign';
  if (last !== undefined) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(last.length), 0, last.length, last.offset);
    const event = bytesRead === last.length ? readStoredLine(buffer.toString('utf8')) : undefined;
    if (event?.uid.replaceAll('-', '') !== last.uid) return 'foreign';
  }
  return bytes === size ? 'whole' : 'part';
}

/** How far an index knows its file, and the event that stood last then. */
function lastIndexed(database: DatabaseSync): {
  readonly bytes: number;
  readonly last: { readonly offset: number; readonly length: number; readonly uid: string } | undefined;
} {
  const row = database.prepare('SELECT bytes, last_offset, last_length, last_uid FROM progress').get();
  const uid = row?.['last_uid'];
  const last =
    uid instanceof Uint8Array
      ? {
          offset: numberOf(row?.['last_offset']),
          length: numberOf(row?.['last_length']),
          uid: Buffer.from(uid).toString('hex'),
        }
      : undefined;
  return { bytes: numberOf(row?.['bytes']), last };
}

/** How an event's name and code stand in the dictionary. */
export function kindName({ event, code }: Pick<StoredEvent, 'event' | 'code'>): string {
  return `${event} ${code}`;
}

function uidBytes(uid: string): Buffer {
  return Buffer.from(uid.replaceAll('-', ''), 'hex');
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** Of a uid as text, up to and with its last dash. */
export const SOURCE_LENGTH = 24;
/** `names.type`: which column's names. */
export const NAMES = { user: 0, db: 1, session: 2, kind: 3 } as const satisfies { readonly [C in Column]?: number };
/** maxCachedNames: numbers of names at hand; others are looked up. */
const MAX_NAMES = 20_000;
const LEAST_PACKED_ROWS = 256;
/** Of the index; another one is made anew. Columns stand in the machine's byte order. */
export const VERSION = endianness() === 'LE' ? 2 : 1002;
const SCHEMA = `
  BEGIN;
  CREATE TABLE uids(uid BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE names(id INTEGER PRIMARY KEY, type INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (type, name)) STRICT;
  CREATE TABLE tail(
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, user INTEGER NOT NULL, db INTEGER NOT NULL, session INTEGER NOT NULL, kind INTEGER NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE blocks(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, min_time INTEGER NOT NULL, max_time INTEGER NOT NULL) STRICT;
  CREATE TABLE columns(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE progress(bytes INTEGER NOT NULL, last_offset INTEGER, last_length INTEGER, last_uid BLOB) STRICT;
  INSERT INTO progress(bytes) VALUES (0);
  PRAGMA user_version = ${VERSION};
  COMMIT;
`;
