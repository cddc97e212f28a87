import { createClient } from '@connectrpc/connect';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { isPassing } from '../../api/errors.ts';
import { transport } from '../../api/transport.ts';

/** The API for what hooks of connect-query do not do: streams, and pages one by one. */
export const log = createClient(AuthService, transport);

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
  handlers.onState('connecting');
  while (!signal.aborted) {
    try {
      for await (const message of open(signal, () => handlers.onState('live'))) {
        failures = 0;
        handlers.onState('live');
        handlers.onMessage(message);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error) && failures >= MOST_REFUSALS) return handlers.onState('refused', error);
    }
    if (signal.aborted) return;
    failures += 1;
    handlers.onState('lost');
    await pause(Math.min(MOST_PAUSE_MS, 500 * 2 ** Math.min(failures, 5)), signal);
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
