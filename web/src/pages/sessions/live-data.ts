import { useEffect, useState } from 'react';
import type { LiveSession } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { keepReading, type StreamState } from '../../parts/events/keep-reading.ts';
import { log } from '../../parts/events/log-client.ts';
import { type Rates, withRates } from './rates.ts';

export type LiveState = {
  /** Newest first; undefined until the first picture. */
  readonly sessions: readonly LiveSession[] | undefined;
  readonly rates: Rates;
  readonly state: StreamState;
  readonly error: unknown;
};

/** Sessions that go on now, as the server tells them, while the page is there. The last picture stays while the connection is lost. */
export function useLiveSessions(): LiveState {
  const [live, setLive] = useState<LiveState>({
    sessions: undefined,
    rates: new Map(),
    state: 'connecting',
    error: null,
  });
  useEffect(() => {
    const ended = new AbortController();
    void keepReading((signal, onHeader) => log.watchSessions({}, { signal, onHeader }), ended.signal, {
      onState: (state, error) =>
        setLive((now) => (now.state === state ? now : { ...now, state, error: error ?? null })),
      onMessage: ({ sessions }) => {
        const ordered = sessions.toSorted((a, b) => (a.started < b.started ? 1 : -1));
        setLive((now) => ({ ...now, sessions: ordered, rates: withRates(now.rates, ordered) }));
      },
    });
    return () => ended.abort();
  }, []);
  return live;
}
