import type { Clock } from '../telemetry/clock.ts';
import type { Channel } from '../wire/channel.ts';

/**
 * For the client of a session that is over and whose channel was ended: it may read what is still on its way to it, and is cut when it does not leave within
 * `lingerMs`. Without that a client that stops reading would hold its channel, and a place in the tunnel, beyond every limit on sessions.
 */
export function leave(client: Channel, clock: Clock, lingerMs = defaultLingerMs): void {
  const cut = clock.after(lingerMs, () => client.destroy(), { background: true });
  client.receive({ data: (chunk) => client.consumed(chunk.length), close: () => cut.cancel() });
}

/** As long as a proxy gives the client behind it. */
const defaultLingerMs = 30_000;
