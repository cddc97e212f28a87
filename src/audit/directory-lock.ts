import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../errors.ts';

/** A directory that only this process may write, until `release` or the process's end, however it ends. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Takes the lock, or throws StorageError `AUDIT_DIRECTORY_LOCKED` at once when another process (or another part of this one) has it. The lock is the operating
 * system's, through SQLite's exclusive transaction on an empty file `lock`: nothing stale stays behind after a crash, as a file with a process id would.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const database = new DatabaseSync(join(directory, 'lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new StorageError(
      'AUDIT_DIRECTORY_LOCKED',
      `audit directory ${directory} is in use by another process; stop it, or configure another data_dir`,
      { cause },
    );
  }
  return { release: () => database.close() };
}
