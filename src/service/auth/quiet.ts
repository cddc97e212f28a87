import type { Clock } from '../../telemetry/clock.ts';

/** What a stream says when it has nothing to say. */
export type Quiet = { readonly type: 'quiet' };
const QUIET: Quiet = { type: 'quiet' };

/**
 * The items of `source`, and `quiet` whenever none came for `quietMs()` milliseconds; the read under way goes on meanwhile. Ends with the source or the signal; leaving it early
 * leaves the source.
 */
export async function* withQuiet<T extends object>(
  source: AsyncIterable<T>,
  options: { readonly quietMs: () => number; readonly signal: AbortSignal; readonly clock: Clock },
): AsyncGenerator<T | Quiet> {
  const iterator = source[Symbol.asyncIterator]();
  const read = (): Promise<IteratorResult<T>> => {
    const next = iterator.next();
    // It may fail after nobody waits for it any more.
    next.catch(() => {});
    return next;
  };
  try {
    let next = read();
    for (;;) {
      const outcome = await within(next, options);
      if (outcome === 'aborted') return;
      if (outcome === 'quiet') {
        yield QUIET;
        continue;
      }
      if (outcome.done === true) return;
      next = read();
      yield outcome.value;
    }
  } finally {
    Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

async function within<T>(
  next: Promise<T>,
  options: { readonly quietMs: () => number; readonly signal: AbortSignal; readonly clock: Clock },
): Promise<T | 'quiet' | 'aborted'> {
  const { signal, clock } = options;
  if (signal.aborted) return 'aborted';
  const { promise, resolve } = Promise.withResolvers<'quiet' | 'aborted'>();
  const timer = clock.after(options.quietMs(), () => resolve('quiet'), { background: true });
  const aborted = (): void => resolve('aborted');
  signal.addEventListener('abort', aborted, { once: true });
  try {
    return await Promise.race([next, promise]);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', aborted);
  }
}
