import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { breathe } from '../breathe.ts';
import { cutTornTail } from '../segment.ts';
import { readStoredLine, type StoredEvent } from '../stored-event.ts';
import { DayIndex } from './day-index.ts';
import { DayReader } from './day-reader.ts';

/**
 * One UTC day of events: `2026-03-11.log`, a JSON document a line, and `2026-03-11.index` beside it. The file is the truth. An append is: find what is new, write,
 * fdatasync, then commit the index; a crash in between leaves an index that is behind, and `open` catches it up.
 */
export class DayFile {
  readonly reader: DayReader;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #index: DayIndex;
  #size: number;
  #broken = false;

  private constructor(path: string, file: FileHandle, index: DayIndex, size: number, reader: DayReader) {
    this.#path = path;
    this.#file = file;
    this.#index = index;
    this.#size = size;
    this.reader = reader;
  }

  /** Opens or makes both, repairs what a crash left. Throws StorageError `AUDIT_DAY_OPEN`. */
  static async open(directory: string, day: string, log: Log): Promise<DayFile> {
    const path = join(directory, `${day}.log`);
    const indexPath = join(directory, `${day}.index`);
    let file: FileHandle | undefined;
    let index: DayIndex | undefined;
    try {
      file = await open(path, 'a+', 0o600);
      const size = wholeLines(path, log);
      index = await fittingIndex(indexPath, file, size, log);
      await catchUp(index, file, size, path, log);
      return new DayFile(path, file, index, size, new DayReader(indexPath, file));
    } catch (cause) {
      index?.close();
      await file?.close();
      throw new StorageError('AUDIT_DAY_OPEN', `audit store: ${path} cannot be opened`, { cause });
    }
  }

  /** True after a fault that left file and index apart: close it and open it anew. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Adds those events whose uid is not here yet; resolves with them when they are on disk. One call at a time. Throws StorageError `AUDIT_DAY_WRITE`. */
  async append(events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
    const start = this.#size;
    const fresh: StoredEvent[] = [];
    try {
      this.#index.begin();
      let end = start;
      for (const event of events) {
        const length = Buffer.byteLength(event.line);
        if (this.#index.add(event, end, length)) {
          fresh.push(event);
          end += length + 1;
        }
        if (fresh.length % EVENTS_PER_SLICE === EVENTS_PER_SLICE - 1) await breathe();
      }
      if (fresh.length > 0) {
        await this.#file.appendFile(fresh.map(({ line }) => `${line}\n`).join(''));
        await this.#file.datasync();
      }
      this.#index.commit(end);
      this.#size = end;
      return fresh;
    } catch (cause) {
      this.#index.rollback();
      await this.#file.truncate(start).catch(() => {
        this.#broken = true;
      });
      throw new StorageError('AUDIT_DAY_WRITE', `audit store: ${this.#path} cannot be written`, { cause });
    }
  }

  async close(): Promise<void> {
    this.reader.close();
    this.#index.close();
    await this.#file.close();
  }
}

/** Cuts a torn last line off: it was never acknowledged. */
function wholeLines(path: string, log: Log): number {
  const { bytes, removed } = cutTornTail(path);
  if (removed > 0)
    log.warn({ path, bytes: removed }, 'audit store: cut off a torn last line that was never acknowledged');
  return bytes;
}

/** The index as it is when it fits the file, else an empty one. */
async function fittingIndex(path: string, file: FileHandle, size: number, log: Log): Promise<DayIndex> {
  let index: DayIndex | undefined;
  try {
    index = DayIndex.open(path);
    if (await fits(index, file, size)) return index;
    throw new Error('it does not fit the file');
  } catch (error) {
    index?.close();
    log.warn({ path, err: error }, 'audit store: making the index anew from the file');
    DayIndex.remove(path);
    return DayIndex.open(path);
  }
}

async function fits(index: DayIndex, file: FileHandle, size: number): Promise<boolean> {
  if (index.indexedBytes > size) return false;
  const last = index.last;
  if (last === undefined) return true;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(last.length), 0, last.length, last.offset);
  const event = bytesRead === last.length ? readStoredLine(buffer.toString('utf8')) : undefined;
  return event?.uid.replaceAll('-', '') === last.uid;
}

/** Indexes what stands in the file after what the index knows. A line that is no event stays in the file and is told. */
async function catchUp(index: DayIndex, file: FileHandle, size: number, path: string, log: Log): Promise<void> {
  let offset = index.indexedBytes;
  if (offset === size) return;
  let damaged = 0;
  let bytes = CHUNK_BYTES;
  while (offset < size) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(bytes), 0, Math.min(bytes, size - offset), offset);
    const end = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      if (bytesRead < bytes)
        throw new StorageError('AUDIT_DAY_CHANGED', `audit store: ${path} changed while it was read`);
      bytes *= 2;
      continue;
    }
    index.begin();
    damaged += await indexLines(index, buffer.subarray(0, end), offset);
    offset += end;
    index.commit(offset);
  }
  if (damaged > 0)
    log.error(
      { path, lines: damaged },
      'audit store: lines that are no events were left in the file and out of the index',
    );
}

async function indexLines(index: DayIndex, lines: Buffer, offset: number): Promise<number> {
  let damaged = 0;
  let count = 0;
  for (let start = 0; start < lines.length;) {
    const end = lines.indexOf(NEWLINE, start);
    const event = readStoredLine(lines.toString('utf8', start, end));
    if (event === undefined) damaged += 1;
    else index.add(event, offset + start, end - start);
    start = end + 1;
    count += 1;
    if (count % EVENTS_PER_SLICE === 0) await breathe();
  }
  return damaged;
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1024 * 1024;
/** A few milliseconds of work. */
const EVENTS_PER_SLICE = 250;
