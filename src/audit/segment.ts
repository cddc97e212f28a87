import { closeSync, ftruncateSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** One file of a journal: whole lines of events, in order; `sequence` orders the files. */
export type Segment = {
  readonly sequence: number;
  readonly path: string;
  /** Bytes written so far; grows while it is the active one. */
  bytes: number;
  /** Nothing is appended any more. */
  closed: boolean;
};

/** `000000000042.ndjson` */
export function segmentPath(directory: string, sequence: number): string {
  return join(directory, `${String(sequence).padStart(12, '0')}.ndjson`);
}

/** The segments that an earlier run left, oldest first, each ending in a whole line; `torn` are the bytes cut off their ends. */
export function recoverSegments(directory: string): { readonly segments: Segment[]; readonly torn: number } {
  const segments: Segment[] = [];
  let torn = 0;
  for (const name of readdirSync(directory).toSorted()) {
    if (!SEGMENT_NAME.test(name)) continue;
    const path = join(directory, name);
    const { bytes, removed } = cutTornTail(path);
    torn += removed;
    segments.push({ sequence: Number.parseInt(name, 10), path, bytes, closed: true });
  }
  return { segments, torn };
}

/**
 * Removes what stands after the last newline: a write that the crash interrupted. Its `commit` never returned, so what it recorded was
 * never forwarded.
 */
export function cutTornTail(path: string): { readonly bytes: number; readonly removed: number } {
  const fd = openSync(path, 'r+');
  try {
    const size = fstatSync(fd).size;
    const whole = endOfLastLine(fd, size);
    if (whole < size) ftruncateSync(fd, whole);
    return { bytes: whole, removed: size - whole };
  } finally {
    closeSync(fd);
  }
}

function endOfLastLine(fd: number, size: number): number {
  const chunk = Buffer.allocUnsafe(64 * 1024);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - chunk.length);
    const read = readSync(fd, chunk, 0, end - start, start);
    const newline = chunk.subarray(0, read).lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}

const SEGMENT_NAME = /^\d{12}\.ndjson$/;
const NEWLINE = 0x0a;
