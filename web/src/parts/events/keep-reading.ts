import { isPassing } from '../../api/errors.ts';

export type StreamState = 'connecting' | 'live' | 'lost' | 'refused';

/**
 * Reads a stream until the signal aborts, and begins it again when it ends or the connection is lost, with growing pauses. `refused` (with the error) after a server said no several times;
 * then it ends.
 */
export async function keepReading<T>(
  open: (signal: AbortSignal, onHeader: () => void) => AsyncIterable<T>,
  signal: AbortSignal,
  handlers: {
    readonly onMessage: (message: T) => void;
    readonly onState: (state: StreamState, error?: unknown) => void;
  },
): Promise<void> {
  let failures = 0;
  let refusals = 0;
  handlers.onState('connecting');
  while (!signal.aborted) {
    try {
      for await (const message of open(signal, () => handlers.onState('live'))) {
        failures = 0;
        refusals = 0;
        handlers.onState('live');
        handlers.onMessage(message);
      }
    } catch (error) {
      if (signal.aborted) return;
      // Being away is no refusal, however long: whoever comes back may say no for a moment, as everybody comes at once.
      refusals = isPassing(error) ? 0 : refusals + 1;
      if (refusals > MOST_REFUSALS) return handlers.onState('refused', error);
    }
    if (signal.aborted) return;
    failures += 1;
    handlers.onState('lost');
    // Not all pages at the same moment.
    await pause(Math.min(MOST_PAUSE_MS, 500 * 2 ** Math.min(failures, 5)) * (0.5 + Math.random() / 2), signal);
  }
}

const MOST_REFUSALS = 3;
const MOST_PAUSE_MS = 15_000;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}
