import type { Duplex } from 'node:stream';
import type { Clock } from '../../../telemetry/clock.ts';

/** How a connection went: whether the far side ever said anything, and what broke it. */
export type Joined = { readonly answered: boolean; readonly error: Error | undefined };

/**
 * Passes bytes both ways, each reader at its own speed, ends included: one direction may be over while the other goes on. A client that stays `lingerMs` after
 * the far side's end is cut. Resolves when it is over; a far side that ended or broke without a word leaves the client open, so that it can be told. Takes over
 * the errors of both.
 */
export function joinStreams(
  client: Duplex,
  upstream: Duplex,
  options: { readonly lingerMs: number; readonly clock: Clock },
): Promise<Joined> {
  const { promise, resolve } = Promise.withResolvers<Joined>();
  let answered = false;
  let error: Error | undefined;
  let linger: { cancel(): void } | undefined;
  const over = (): void => {
    linger?.cancel();
    client.unpipe(upstream);
    upstream.destroy();
    resolve({ answered, error });
  };
  upstream.on('error', (found: Error) => (error ??= found));
  client.on('error', () => {});
  upstream.once('data', () => (answered = true));
  upstream.once('end', () => {
    if (!answered) return over();
    client.end();
    linger = options.clock.after(options.lingerMs, () => client.destroy());
  });
  upstream.once('close', () => {
    // An end in order was said above; without one the client must not take what it has for the whole.
    if (answered && !upstream.readableEnded) client.destroy();
    if (!answered || client.destroyed) over();
  });
  client.once('close', over);
  client.pipe(upstream);
  upstream.pipe(client, { end: false });
  return promise;
}
