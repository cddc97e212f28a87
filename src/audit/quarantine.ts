import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Events that the receiver refused for good, kept for a person in `quarantine/` of the journal, one file per segment they came from. They count against the
 * journal's limit. To deliver them again: rename a
 * file so that it ends in `.again`, and restart the service.
 */
export class Quarantine {
  readonly #directory: string;
  #bytes = 0;

  constructor(journalDirectory: string) {
    this.#directory = join(journalDirectory, 'quarantine');
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#directory)) this.#bytes += statSync(join(this.#directory, name)).size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Files that a person wants delivered again. */
  get again(): readonly { readonly path: string; readonly bytes: number }[] {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith('.again'));
    return names.map((name) => ({
      path: join(this.#directory, name),
      bytes: statSync(join(this.#directory, name)).size,
    }));
  }

  /** One of `again` is in the journal. */
  remove(file: { readonly path: string; readonly bytes: number }): void {
    rmSync(file.path);
    this.#bytes -= file.bytes;
  }

  /** Appends and syncs; resolves with the file's path. */
  async add(sequence: number, lines: Buffer): Promise<string> {
    const path = join(this.#directory, `${String(sequence).padStart(12, '0')}.ndjson`);
    const file = await open(path, 'a', 0o600);
    try {
      await file.appendFile(lines);
      // Damage at a segment's end has no newline; the next entry needs one before it.
      if (lines.at(-1) !== 0x0a) await file.appendFile('\n');
      await file.datasync();
    } finally {
      await file.close();
    }
    this.#bytes += lines.length;
    return path;
  }
}
