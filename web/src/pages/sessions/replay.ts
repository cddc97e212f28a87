/** The clock of a replay. Positions are milliseconds of the replay, which are not those of the session at a readable pace: long waits are shortened, and what came in one go is taken apart. */

export type Moment = {
  /** Milliseconds since the session began. */
  readonly offsetMs: number;
  /** Milliseconds since the replay began. */
  readonly atMs: number;
  readonly entry: number;
  readonly what: 'asked' | 'answered';
};
export type Timeline = { readonly moments: readonly Moment[]; readonly lengthMs: number };

/** What a replay shows of an entry. */
export type Shown = 'ahead' | 'running' | 'over';

export type Playing = { readonly positionMs: number; readonly playing: boolean; readonly speed: number };

export const SPEEDS: readonly number[] = [0.5, 1, 2, 4, 10, 30];
/** A longer wait is shortened to this at a readable pace. */
const LONGEST_WAIT_MS = 1500;
/** What a script sends in one go is taken apart by this at a readable pace, as long as that makes it no longer than a minute. */
const SHORTEST_WAIT_MS = 250;
const MOST_STRETCH_MS = 60_000;
/** So that the last statement can be seen before the end. */
const LEAD_OUT_MS = 500;

/** When each statement appears and is answered. `offsetMs` ascend roughly; what is out of order is put in order. */
export function timelineOf(
  entries: readonly { readonly offsetMs: number; readonly durationMs: number | undefined }[],
  options: { readonly readable: boolean },
): Timeline {
  const real = entries
    .flatMap(({ offsetMs, durationMs }, entry) => [
      { offsetMs, entry, what: 'asked' as const },
      ...(durationMs === undefined ? [] : [{ offsetMs: offsetMs + durationMs, entry, what: 'answered' as const }]),
    ])
    .toSorted(
      (a, b) => a.offsetMs - b.offsetMs || (a.what === b.what ? a.entry - b.entry : a.what === 'asked' ? -1 : 1),
    );
  const least = Math.min(SHORTEST_WAIT_MS, MOST_STRETCH_MS / Math.max(1, entries.length));
  let before = 0;
  let atMs = 0;
  const moments = real.map((moment) => {
    const wait = moment.offsetMs - before;
    before = moment.offsetMs;
    const readable = Math.min(LONGEST_WAIT_MS, moment.what === 'asked' ? Math.max(least, wait) : wait);
    atMs += options.readable ? readable : wait;
    return { ...moment, atMs };
  });
  return { moments, lengthMs: moments.length === 0 ? 0 : atMs + LEAD_OUT_MS };
}

/** What is to be seen of each entry at a position; `last` is the entry that came last, -1 before the first. */
export function shownAt(
  timeline: Timeline,
  entries: number,
  positionMs: number,
): { readonly shown: readonly Shown[]; readonly last: number } {
  const shown: Shown[] = Array.from({ length: entries }, () => 'ahead');
  let last = -1;
  const answered = new Set<number>();
  for (const { entry, what, atMs } of timeline.moments) {
    if (what === 'answered') answered.add(entry);
    if (atMs > positionMs) continue;
    shown[entry] = what === 'asked' ? 'running' : 'over';
    if (what === 'asked') last = Math.max(last, entry);
  }
  // What has no answer on record is not running for ever.
  for (let entry = 0; entry < entries; entry += 1)
    if (shown[entry] === 'running' && !answered.has(entry)) shown[entry] = 'over';
  return { shown, last };
}

/** How far the session was at a position of its replay. */
export function offsetAt(timeline: Timeline, positionMs: number): number {
  const next = timeline.moments.findIndex(({ atMs }) => atMs > positionMs);
  const before = timeline.moments[next === -1 ? timeline.moments.length - 1 : next - 1] ?? { atMs: 0, offsetMs: 0 };
  const after = next === -1 ? undefined : timeline.moments[next];
  if (after === undefined) return before.offsetMs;
  const share = after.atMs === before.atMs ? 0 : (positionMs - before.atMs) / (after.atMs - before.atMs);
  return before.offsetMs + share * (after.offsetMs - before.offsetMs);
}

/** Where the next (1) or the one before (-1) statement appears; the ends when there is none. */
export function neighbour(timeline: Timeline, positionMs: number, direction: 1 | -1): number {
  const asked = timeline.moments.filter(({ what }) => what === 'asked').map(({ atMs }) => atMs);
  if (direction === 1) return asked.find((atMs) => atMs > positionMs + 0.5) ?? timeline.lengthMs;
  return asked.findLast((atMs) => atMs < positionMs - 0.5) ?? 0;
}

/** The state after `elapsedMs` of the reader's time. It stops by itself at the end. */
export function advance(state: Playing, elapsedMs: number, lengthMs: number): Playing {
  if (!state.playing) return state;
  const positionMs = Math.min(lengthMs, state.positionMs + elapsedMs * state.speed);
  return { ...state, positionMs, playing: positionMs < lengthMs };
}

/** Play or pause; at the end it begins again. */
export function toggle(state: Playing, lengthMs: number): Playing {
  if (state.playing) return { ...state, playing: false };
  return { ...state, playing: lengthMs > 0, positionMs: state.positionMs >= lengthMs ? 0 : state.positionMs };
}

/** The same moment of the session in a replay with other waits. */
export function samePlace(from: Timeline, to: Timeline, positionMs: number): number {
  if (positionMs >= from.lengthMs) return to.lengthMs;
  const offset = offsetAt(from, positionMs);
  const next = to.moments.findIndex(({ offsetMs }) => offsetMs > offset);
  const before = to.moments[next === -1 ? to.moments.length - 1 : next - 1] ?? { atMs: 0, offsetMs: 0 };
  const after = next === -1 ? undefined : to.moments[next];
  if (after === undefined) return before.atMs;
  const span = after.offsetMs - before.offsetMs;
  return before.atMs + (span === 0 ? 0 : ((offset - before.offsetMs) / span) * (after.atMs - before.atMs));
}
