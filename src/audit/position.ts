import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../telemetry/log.ts';

/** How far a journal was acknowledged: everything before `offset` of segment `sequence`. Too small is harmless (a repeat), too large impossible. */
export type Position = { readonly sequence: number; readonly offset: number };

/** The position that an earlier run left; the beginning when there is none or it is not readable. */
export function readPosition(directory: string, log: Log): Position {
  let text: string;
  try {
    text = readFileSync(join(directory, NAME), 'utf8');
  } catch {
    return BEGINNING;
  }
  const [, sequence, offset] = FORMAT.exec(text) ?? [];
  if (sequence !== undefined && offset !== undefined) return { sequence: Number(sequence), offset: Number(offset) };
  log.warn({ directory }, 'audit: delivery position is not readable; delivering again from the oldest segment');
  return BEGINNING;
}

/** Replaces it atomically. Not synced: after a power failure an older one is as good. */
export async function writePosition(directory: string, position: Position): Promise<void> {
  const path = join(directory, NAME);
  await writeFile(`${path}.new`, `${position.sequence} ${position.offset}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

const NAME = 'position';
const FORMAT = /^(\d{1,15}) (\d{1,15})\n$/;
const BEGINNING: Position = { sequence: 0, offset: 0 };
