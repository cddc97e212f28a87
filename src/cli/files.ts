import { randomBytes } from 'node:crypto';
import {
  constants,
  mkdirSync,
  openSync,
  closeSync,
  writeSync,
  fsyncSync,
  renameSync,
  rmSync,
  fstatSync,
  readFileSync,
  chmodSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { failure } from './failure.ts';

/** Writes a file whole or not at all, readable by its owner only; folders that are missing are made 0700. */
export function writePrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeAtomic(path, text, 0o600);
}

/** Writes a file whole or not at all with exactly this mode. Its folder must exist. A reader never sees half of it. */
export function writeAtomic(path: string, text: string | Uint8Array, mode: number): void {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`);
  const file = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    fsyncSync(file);
    closeSync(file);
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The text of a file, or undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * The text of a file that must be its owner's secret, or undefined when there is none. Refuses a file that others may
 * read or write; checked on the open file, so that it can not be exchanged in between.
 */
export function readSecret(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const { mode } = fstatSync(file);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw failure(
        'KEY_FILE_OPEN',
        `private key ${path} may be read by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}, expected 0600)`,
        `if nobody else has used it: chmod 600 ${path}; else sign out and in again: tsh logout`,
      );
    }
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
