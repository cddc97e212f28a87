import type { KeyObject } from 'node:crypto';
import { openSealed, sealContext } from '../../pki/client-seal.ts';
import { systemClock, type Clock } from '../../telemetry/clock.ts';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import { tell, visible } from '../io.ts';
import { withProgress } from '../progress.ts';
import type { Callback } from './browser-callback.ts';
import { isRemote, openBrowser } from './browser-open.ts';

/** The part that every way through the browser has in common: showing the address, waiting for the sealed answer. */

/** How long a person may take in the browser, milliseconds. */
export const BROWSER_WAIT_MS = 3 * 60_000;

export type Wait = {
  /** What the browser opens. */
  readonly url: string;
  /** False: the link is printed and nothing is opened. */
  readonly open: boolean;
  /** `sign in`, `confirm`: what the person does there. */
  readonly deed: string;
  readonly clock?: Clock;
};

/** The text that a callback's query seals, once its request is known. Throws `BROWSER_DENIED` when the person refused, `BROWSER_ANSWER` for what is not for this key and request. */
export function sealedText(query: URLSearchParams, sealKey: KeyObject, requestId: string): string {
  if (query.get('error') !== null)
    throw failure(
      'BROWSER_DENIED',
      'refused in the browser',
      'the page there says why; begin again when it was a mistake',
    );
  try {
    return openSealed(
      sealKey,
      Buffer.from(query.get('response') ?? '', 'base64url'),
      sealContext(requestId),
    ).toString();
  } catch (cause) {
    throw failure('BROWSER_ANSWER', 'the browser brought an answer that is not for this sign-in', 'begin again', cause);
  }
}

/** Leads the person to the browser and waits for the answer, three minutes at most. Throws `BROWSER_TIMEOUT`, or what reading the answer threw. */
export async function awaitBrowser<T>(io: Io, callback: Callback<T>, wait: Wait): Promise<T> {
  const clock = wait.clock ?? systemClock;
  const opened = wait.open && (await openBrowser(io, wait.url));
  tell(
    io,
    opened
      ? `Your browser opens; ${wait.deed} there. When nothing opens:`
      : `Open in a browser on this machine, and ${wait.deed} there:`,
  );
  tell(io, `  ${visible(wait.url)}`);
  if (!opened && isRemote(io.env))
    tell(io, 'A browser on another machine can not bring the answer here (tsh login --device can).');
  const timeout = Promise.withResolvers<never>();
  const timer = clock.after(BROWSER_WAIT_MS, () =>
    timeout.reject(
      failure(
        'BROWSER_TIMEOUT',
        `nothing came from the browser within ${BROWSER_WAIT_MS / 60_000} minutes`,
        'try again; without a browser on this machine: tsh login --device',
      ),
    ),
  );
  try {
    return await withProgress(io, 'waiting for the browser', Promise.race([callback.answer, timeout.promise]));
  } finally {
    timer.cancel();
  }
}
