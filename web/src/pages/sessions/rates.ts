/** The last rates of each live session, for its sparkline. */
export type Rates = ReadonlyMap<string, readonly number[]>;

/** Points of one sparkline. */
export const MOST_POINTS = 40;

/** With the rates of a new picture; sessions that are no longer in it are forgotten, so memory is bounded by what is live. */
export function withRates(
  rates: Rates,
  sessions: readonly { readonly sessionId: string; readonly statementsPerSecond: number }[],
): Rates {
  return new Map(
    sessions.map(({ sessionId, statementsPerSecond }) => {
      const rate = Number.isFinite(statementsPerSecond) ? Math.max(0, statementsPerSecond) : 0;
      return [sessionId, [...(rates.get(sessionId) ?? []), rate].slice(-MOST_POINTS)];
    }),
  );
}

/** The points of a polyline in a box; the newest at the right edge. Empty for fewer than two. */
export function sparkline(points: readonly number[], width: number, height: number): string {
  if (points.length < 2) return '';
  const top = Math.max(1, ...points);
  const step = width / (MOST_POINTS - 1);
  const left = width - step * (points.length - 1);
  return points
    .map((point, index) => `${round(left + index * step)},${round(height - 1 - (point / top) * (height - 2))}`)
    .join(' ');
}

/** `12 / s`, `0.3 / s`, `idle`. */
export function rateWords(perSecond: number): string {
  if (!(perSecond > 0)) return '0 / s';
  if (perSecond < 0.1) return '< 0.1 / s';
  return `${perSecond < 10 ? perSecond.toFixed(1).replace(/\.0$/, '') : Math.round(perSecond).toLocaleString('en')} / s`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
