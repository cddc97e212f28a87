/** Whether an index can not be read any more although its file is there: a disk's fault, not the search's. It is made anew then (open-days.ts). */

/** A part of an index that is not what was written. */
export class IndexDamage extends Error {
  constructor(what: string) {
    super(`damaged index: ${what}`);
    this.name = 'IndexDamage';
  }
}

/** Looks through causes too, and at SQLite's own finding (SQLITE_CORRUPT with all its kinds, SQLITE_NOTADB). */
export function isIndexDamage(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < MAX_CAUSES; at = at.cause, depth += 1) {
    if (at instanceof IndexDamage) return true;
    const code = 'errcode' in at && typeof at.errcode === 'number' ? at.errcode & 0xff : 0;
    if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return true;
  }
  return false;
}

const MAX_CAUSES = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
