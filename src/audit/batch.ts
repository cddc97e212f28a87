import { open } from 'node:fs/promises';
import type { Segment } from './segment.ts';

/** Whole lines of a journal, in order. `bytes` ends in a newline, but for damage at a segment's end. */
export type Batch = { readonly bytes: Buffer; readonly count: number };

/**
 * The next whole lines of a segment from `offset`: at most `maxBytes` of them, but at least one line, and at most `maxCount`. Undefined: none there
 * yet. `gone`: the file does not hold what was written to it. */
export async function readBatch(
  segment: Segment,
  offset: number,
  maxBytes: number,
  maxCount: number,
): Promise<Batch | 'gone' | undefined> {
  const available = segment.bytes - offset;
  if (available <= 0) return undefined;
  const file = await openIfThere(segment.path);
  if (file === undefined) return 'gone';
  try {
    for (let want = Math.min(maxBytes, available); ; want = Math.min(want * 2, available)) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(want), 0, want, offset);
      if (bytesRead === 0) return 'gone';
      const batch = firstLines(buffer.subarray(0, bytesRead), maxCount);
      if (batch !== undefined) return batch;
      // Only damage gives a segment without a newline at its end; hand it on as it is, so that it is seen and not sent for ever.
      if (want >= available) return { bytes: buffer.subarray(0, bytesRead), count: 1 };
    }
  } finally {
    await file.close();
  }
}

/** Two halves by count, each of whole lines. Only for batches of two lines or more. */
export function halves(batch: Batch): readonly [Batch, Batch] {
  const count = Math.floor(batch.count / 2);
  let end = 0;
  for (let line = 0; line < count; line += 1) end = batch.bytes.indexOf(NEWLINE, end) + 1;
  return [
    { bytes: batch.bytes.subarray(0, end), count },
    { bytes: batch.bytes.subarray(end), count: batch.count - count },
  ];
}

/** When the first event of the batch was written, milliseconds since 1970; undefined when it does not tell. */
export function firstTimeMs(batch: Batch): number | undefined {
  const head = batch.bytes.toString('latin1', 0, 256);
  const time = /"time":"([^"]{20,30})"/.exec(head)?.[1];
  const ms = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}

async function openIfThere(path: string) {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function firstLines(bytes: Buffer, maxCount: number): Batch | undefined {
  let count = 0;
  let end = 0;
  while (count < maxCount) {
    const newline = bytes.indexOf(NEWLINE, end);
    if (newline < 0) break;
    end = newline + 1;
    count += 1;
  }
  return count === 0 ? undefined : { bytes: bytes.subarray(0, end), count };
}

const NEWLINE = 0x0a;
