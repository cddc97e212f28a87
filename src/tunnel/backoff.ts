/** How long to wait between attempts. */
export type BackoffOptions = {
  /** The first wait, milliseconds. */
  readonly minMs: number;
  /** Waits double up to here. */
  readonly maxMs: number;
};
export const DEFAULT_BACKOFF: BackoffOptions = { minMs: 200, maxMs: 15_000 };

/**
 * The wait before attempt number `attempt` (0: the first retry): doubled each time, then a random half to whole of it, so that many agents
 * of a restarted proxy do not come at one moment. `random` gives 0 to below 1.
 */
export function backoffMs(attempt: number, options: BackoffOptions, random: () => number): number {
  const whole = Math.min(options.maxMs, options.minMs * 2 ** Math.min(attempt, 30));
  return whole / 2 + (random() * whole) / 2;
}
