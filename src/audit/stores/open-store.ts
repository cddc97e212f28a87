import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Writable } from 'node:stream';
import { ConfigError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { FileStore } from './file-store.ts';
import { StdoutStore } from './stdout-store.ts';
import type { EventStore, SearchableStore } from './store.ts';

/** A destination of `audit_events_uri`, checked. */
export type Destination = { readonly type: 'file'; readonly directory: string } | { readonly type: 'stdout' };

/**
 * Reads `audit_events_uri`. All are written, the first is read, so it must be `file://`. Throws ConfigError with every problem; a message never has the
 * rest of an address, which may hold a password.
 */
export function parseDestinations(
  uris: readonly string[],
): readonly [Destination & { readonly type: 'file' }, ...Destination[]] {
  const problems: string[] = [];
  const parsed = uris.map((uri, index) => parseDestination(uri, `audit_events_uri[${index}]`, problems));
  const [first, ...others] = parsed;
  if (problems.length === 0 && first?.type !== 'file')
    problems.push('audit_events_uri[0]: expected file:///directory, for the first destination is the one that is read');
  const keys = parsed.map((destination) => (destination?.type === 'file' ? destination.directory : destination?.type));
  if (new Set(keys).size < keys.length) problems.push('audit_events_uri: expected each destination once');
  if (problems.length > 0 || first?.type !== 'file') throw new ConfigError(problems);
  return [first, ...others.filter((destination) => destination !== undefined)];
}

/** Opens the first destination. Throws StorageError. */
export function openSearchable(destination: Destination & { readonly type: 'file' }, log: Log): SearchableStore {
  return FileStore.open(destination.directory, log);
}

/** Opens a further one. Throws StorageError. */
export function openStore(
  destination: Destination,
  deps: { readonly log: Log; readonly stdout: Writable },
): EventStore {
  return destination.type === 'file' ? FileStore.open(destination.directory, deps.log) : new StdoutStore(deps.stdout);
}

function parseDestination(uri: string, where: string, problems: string[]): Destination | undefined {
  if (uri === 'stdout://') return { type: 'stdout' };
  if (isAbsolute(uri)) return { type: 'file', directory: uri };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(uri)?.[1];
  if (scheme !== 'file') {
    problems.push(
      `${where}: expected file:///directory or stdout://, got ${scheme === undefined ? 'no such address' : `${scheme}://`}`,
    );
    return undefined;
  }
  try {
    return { type: 'file', directory: fileURLToPath(uri) };
  } catch {
    problems.push(`${where}: expected file:///directory with an absolute path and no host`);
    return undefined;
  }
}
