/** The activity chart without its drawing: spans of time, heights, ticks and the brush. */

export type Bar = { readonly fromMs: number; readonly toMs: number; readonly count: number; readonly refused: number };
export type Tick = { readonly ms: number; readonly label: string };
/** Two edges between bars, 0 to `bars.length`; `from` is never behind `to`, and they are at least one bar apart. */
export type Brush = { readonly from: number; readonly to: number };

/** The server's spans as bars. Counts come as protobuf's bigint. */
export function barsOf(
  buckets: readonly { readonly from: string; readonly count: bigint; readonly refused: bigint }[],
  toMs: number,
): readonly Bar[] {
  const starts = buckets.map(({ from }) => Date.parse(from));
  return buckets.map(({ count, refused }, index) => ({
    fromMs: starts[index] ?? 0,
    toMs: starts[index + 1] ?? toMs,
    count: Number(count),
    // More refused than there are would draw below the axis.
    refused: Math.min(Number(refused), Number(count)),
  }));
}

/** The smallest of 1, 2, 5, 10, 20, 50, ... that is not below the largest count: the top of the axis. */
export function topOf(bars: readonly Bar[]): number {
  const most = Math.max(1, ...bars.map(({ count }) => count));
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= most) ?? most;
}

/** Heights of a bar and of its refused part, of a whole of `height`. What is not nothing stays visible, and a bar that is refused in part never looks refused as a whole. */
export function heightsOf(bar: Bar, top: number, height: number): { readonly all: number; readonly refused: number } {
  const refused = bar.refused === 0 ? 0 : Math.max(1.5, (bar.refused / top) * height);
  if (bar.count === 0) return { all: 0, refused: 0 };
  const least = bar.refused === bar.count ? refused : refused + 1.5;
  return { all: Math.max(2, least, (bar.count / top) * height), refused };
}

/** About `most` round moments of the span on the reader's clock, with words that fit its length. */
export function ticksOf(fromMs: number, toMs: number, most: number): readonly Tick[] {
  const span = toMs - fromMs;
  if (!(span > 0)) return [];
  const step = STEPS.find((ms) => span / ms <= most) ?? Math.ceil(span / most / DAY) * DAY;
  // Round on the reader's clock: midnight is where a day of theirs begins.
  const shift = new Date(fromMs).getTimezoneOffset() * 60_000;
  const ticks: Tick[] = [];
  for (let ms = Math.ceil((fromMs - shift) / step) * step + shift; ms < toMs; ms += step)
    ticks.push({ ms, label: tickLabel(ms, step, span) });
  return ticks;
}

/** Where a brush's edge lies when it is dragged to `fraction` (0 to 1) of the chart. */
export function edgeAt(fraction: number, bars: number): number {
  return Math.min(bars, Math.max(0, Math.round(fraction * bars)));
}

/** From where the drag began to where it is, in fractions; every bar that was touched belongs to it. */
export function brushOf(beganAt: number, isAt: number, bars: number): Brush {
  const [low, high] = beganAt <= isAt ? [beganAt, isAt] : [isAt, beganAt];
  const from = Math.min(bars - 1, Math.max(0, Math.floor(low * bars)));
  return { from, to: Math.min(bars, Math.max(from + 1, Math.ceil(high * bars))) };
}

/** One edge moved by the keyboard; it stops a bar before the other one. */
export function moveEdge(brush: Brush, edge: 'from' | 'to', by: number, bars: number): Brush {
  return edge === 'from'
    ? { ...brush, from: Math.min(brush.to - 1, Math.max(0, brush.from + by)) }
    : { ...brush, to: Math.min(bars, Math.max(brush.from + 1, brush.to + by)) };
}

/** The time that a brush spans. */
export function brushSpan(brush: Brush, bars: readonly Bar[]): { readonly fromMs: number; readonly toMs: number } {
  return { fromMs: bars[brush.from]?.fromMs ?? 0, toMs: bars[brush.to - 1]?.toMs ?? 0 };
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  1000,
  5000,
  15_000,
  30_000,
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 30].map((n) => n * DAY),
];

function tickLabel(ms: number, step: number, span: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getDate()} ${MONTHS[date.getMonth()] ?? ''}`;
  if (step >= DAY) return span > 300 * DAY ? `${day} ${date.getFullYear()}` : day;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (step < MINUTE) return `${time}:${two(date.getSeconds())}`;
  return time === '00:00' ? day : time;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
