import { statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { isIndexOf, VERSION } from './day-index.ts';
import { DayReader } from './day-reader.ts';

/** A day that nobody writes, for reading alone: opened in a fraction of the time of a `DayFile`, with no lock and no cache of its own. Whoever opens it sees to it that nobody writes. */
export class DayView {
  readonly reader: DayReader;
  readonly #file: FileHandle;

  private constructor(reader: DayReader, file: FileHandle) {
    this.reader = reader;
    this.#file = file;
  }

  /** Undefined when the index is not whole, of this version and of this file: open a `DayFile`, which makes it so. */
  static async open(directory: string, day: string): Promise<DayView | undefined> {
    const indexPath = join(directory, `${day}.index`);
    let file: FileHandle | undefined;
    let database: DatabaseSync | undefined;
    try {
      if (sizeOf(`${indexPath}-wal`) > 0 || sizeOf(indexPath) === 0) return undefined;
      file = await open(join(directory, `${day}.log`), 'r');
      const address = pathToFileURL(indexPath);
      address.search = '?immutable=1';
      database = new DatabaseSync(address, { readOnly: true });
      database.exec(`PRAGMA mmap_size = ${MAPPED_BYTES}; PRAGMA cache_size = -256; PRAGMA trusted_schema = OFF`);
      const { user_version: version } = { ...database.prepare('PRAGMA user_version').get() };
      const { size } = await file.stat();
      if (version === VERSION && (await isIndexOf(database, file, size)) === 'whole') {
        const view = new DayView(new DayReader(database, file), file);
        file = undefined;
        database = undefined;
        return view;
      }
    } catch {
      // Missing or damaged: for a DayFile to repair.
    } finally {
      database?.close();
      await file?.close();
    }
    return undefined;
  }

  /** Nothing is indexed behind its file. */
  indexed(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.reader.close();
    await this.#file.close();
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Of the address space, not of memory. */
const MAPPED_BYTES = 256 * 1024 ** 2;
