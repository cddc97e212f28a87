import { lstatSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeAtomic } from '../files.ts';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import type { ServiceSettings } from './pg-service.ts';
import { removeService, setService } from './pg-service.ts';

/** Where libpq looks: `PGSERVICEFILE`, else `~/.pg_service.conf`. */
export function serviceFilePath(io: Io): string {
  const chosen = io.env['PGSERVICEFILE'];
  return chosen !== undefined && chosen !== '' ? chosen : join(io.home, '.pg_service.conf');
}

/** Sets one section; everything else in the file, its mode and a symbolic link to it stay. */
export function writeService(io: Io, name: string, settings: ServiceSettings): void {
  const encoded = Object.entries(settings).map(([key, value]) => [
    key,
    value === undefined ? undefined : asBytes(value),
  ]);
  change(io, (text) => setService(text, asBytes(name), Object.fromEntries(encoded)));
}

/** Removes these sections where they are. */
export function removeServices(io: Io, names: readonly string[]): void {
  change(io, (text) => names.map(asBytes).reduce(removeService, text));
}

function change(io: Io, edit: (text: string) => string): void {
  const path = resolveLink(serviceFilePath(io));
  const before = read(path);
  // One character a byte: what is not ours stays as it is, whatever its encoding.
  const after = edit(before.text);
  if (after === before.text) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeAtomic(path, Buffer.from(after, 'latin1'), before.mode);
}

/** UTF-8 bytes as one character each, the form in which the file is edited. */
function asBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function read(path: string): { readonly text: string; readonly mode: number } {
  try {
    const found = lstatSync(path);
    if (!found.isFile() || found.size > MAX_BYTES) {
      throw failure(
        'PG_SERVICE_FILE',
        `${path} is no ordinary file of at most ${MAX_BYTES} bytes`,
        'set PGSERVICEFILE to another file',
      );
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
