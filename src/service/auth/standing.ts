import type { Clock, Timer } from '../../telemetry/clock.ts';

/** How often an open stream's caller is asked again who it is, milliseconds: a lock or a lost role ends the stream within this. */
export const RECHECK_INTERVAL_MS = 10_000;

/** Runs `check` every `RECHECK_INTERVAL_MS` until `cancel`, or until it throws: then `ended` is called, once. */
export function whileStanding(check: () => Promise<void>, ended: () => void, clock: Clock): { cancel(): void } {
  let cancelled = false;
  let timer: Timer;
  const again = async (): Promise<void> => {
    try {
      await check();
    } catch {
      if (!cancelled) ended();
      return;
    }
    if (!cancelled) later();
  };
  const later = (): void => {
    timer = clock.after(RECHECK_INTERVAL_MS, () => void again(), { background: true });
  };
  later();
  return {
    cancel: () => {
      cancelled = true;
      timer.cancel();
    },
  };
}
