/** Durations as people write them: `8h`, `15m`, `1h30m`, `30h0m0s`, `500ms`, `7d`. Milliseconds in code. */

const unitMs: { readonly [unit: string]: number } = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
/** 100 years: more is a mistake, and sums of two stay exact integers. */
const maxMs = 100 * 365 * 86_400_000;

/** Milliseconds, or undefined when the text is not a duration. Whole numbers with units, each unit at most once, largest first; `0` needs none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(?:(\d{1,12})d)?(?:(\d{1,12})h)?(?:(\d{1,12})m)?(?:(\d{1,12})s)?(?:(\d{1,12})ms)?$/.exec(text);
  if (match === null || text === '') return undefined;
  const total = ['d', 'h', 'm', 's', 'ms'].reduce(
    (sum, unit, index) => sum + Number(match[index + 1] ?? 0) * (unitMs[unit] ?? 0),
    0,
  );
  return total <= maxMs ? total : undefined;
}

/** The shortest text that `parseDuration` reads back: `1h30m`. Hours are the largest unit. Takes whole milliseconds. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const parts: string[] = [];
  let rest = ms;
  for (const unit of ['h', 'm', 's', 'ms']) {
    const size = unitMs[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.join('');
}
