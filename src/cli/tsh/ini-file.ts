import { lstatSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeAtomic } from '../files.ts';
import { failure } from '../failure.ts';

/**
 * Changes a configuration file of the person's. The text has one character a byte (what is not ours stays as it is, whatever its encoding): give names and
 * values through {@link asBytes}. The mode and a symbolic link to it stay; a new file is 0600; nothing is written when nothing changes. Throws when it is
 * no ordinary file of at most 4 MiB, with `elsewhere` as what to do.
 */
export function changeIniFile(path: string, elsewhere: string, edit: (text: string) => string): void {
  const target = resolveLink(path);
  const before = read(target, elsewhere);
  const after = edit(before.text);
  if (after === before.text) return;
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  writeAtomic(target, Buffer.from(after, 'latin1'), before.mode);
}

/** UTF-8 bytes as one character each, the form in which a file is edited. */
export function asBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** {@link asBytes} for each value. */
export function valuesAsBytes(settings: {
  readonly [key: string]: string | undefined;
}): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [key, value === undefined ? undefined : asBytes(value)]),
  );
}

function read(path: string, elsewhere: string): { readonly text: string; readonly mode: number } {
  try {
    const found = lstatSync(path);
    if (!found.isFile() || found.size > MAX_BYTES) {
      throw failure('CLIENT_FILE', `${path} is no ordinary file of at most ${MAX_BYTES} bytes`, elsewhere);
    }
    return { text: readFileSync(path, 'latin1'), mode: found.mode & 0o777 };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { text: '', mode: 0o600 };
    throw error;
  }
}

function resolveLink(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

const MAX_BYTES = 4 * 1024 * 1024;
