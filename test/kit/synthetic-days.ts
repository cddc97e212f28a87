/** Whole days of synthetic events, each written by a thread of its own: for stores so large that one thread takes too long. */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { fillStore } from './synthetic-audit.ts';

export const DAY_MS = 86_400_000;

type Day = { readonly directory: string; readonly count: number; readonly fromMs: number; readonly seed: number };

/**
 * Fills the file store of `directory` (absent or empty) with `count` events, spread evenly over the `days` UTC days before `untilMs`'s own. Some 20,000 events a second and core. Returns
 * when the first day begins and the last one ends.
 */
export async function fillDays(
  directory: string,
  of: { readonly count: number; readonly days: number; readonly untilMs: number },
): Promise<{ readonly fromMs: number; readonly toMs: number }> {
  const toMs = Math.floor(of.untilMs / DAY_MS) * DAY_MS;
  const fromMs = toMs - of.days * DAY_MS;
  mkdirSync(directory, { recursive: true });
  await Promise.all(
    Array.from({ length: of.days }, async (_, index) => {
      const part = join(directory, `part${index}`);
      await fillInThread({
        directory: part,
        count: Math.round(of.count / of.days),
        fromMs: fromMs + index * DAY_MS,
        seed: index + 1,
      });
      // A store is a folder of files by day: what two stores have of different days is one store.
      for (const name of readdirSync(part)) if (name !== 'lock') renameSync(join(part, name), join(directory, name));
      rmSync(part, { recursive: true });
    }),
  );
  return { fromMs, toMs };
}

function fillInThread(day: Day): Promise<void> {
  return new Promise((done, failed) => {
    const worker = new Worker(import.meta.filename, { workerData: day });
    worker.once('error', failed);
    worker.once('exit', (code) => (code === 0 ? done() : failed(new Error(`the thread ended with ${code}`))));
  });
}

if (!isMainThread) {
  const { directory, count, fromMs, seed } = workerData as Day;
  await fillStore(directory, count, { untilMs: fromMs + DAY_MS - 1, spanMs: DAY_MS - 1, seed });
}
