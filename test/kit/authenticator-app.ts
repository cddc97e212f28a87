/** An authenticator app that never shows a code twice: what a person with patience types. */
import { setTimeout as sleep } from 'node:timers/promises';
import { URI } from 'otpauth';

export type AuthenticatorApp = {
  /** A code that was not shown before: of the last half minute, this one or the next, which Auth takes too; waits when all are spent. */
  code(): Promise<string>;
};

/** `uri` is what the QR code says: `otpauth://totp/...`. */
export function authenticatorApp(uri: string): AuthenticatorApp {
  const generator = URI.parse(uri);
  if (!('period' in generator)) throw new Error('expected an otpauth:// URI of kind totp');
  let lastStep = 0;
  return {
    async code() {
      while (stepNow() + 1 <= lastStep) await sleep(200);
      lastStep = Math.max(firstStep(), lastStep + 1);
      return generator.generate({ timestamp: lastStep * stepMs });
    },
  };
}

const stepMs = 30_000;
/** Between reading a code and Auth's looking at it. */
const typingMs = 6000;

function stepNow(): number {
  return Math.floor(Date.now() / stepMs);
}

/** The last half minute's, so that the next codes need not be waited for; this one's when that may be over before Auth reads it. */
function firstStep(): number {
  const leftMs = stepMs - (Date.now() % stepMs);
  return leftMs < typingMs ? stepNow() : stepNow() - 1;
}
