/** Figures in words, the same on every page. */

/** `0.4 ms`, `12 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. Negative and unreadable: `0 ms`. */
export function printMs(ms: number): string {
  if (!(ms > 0)) return '0 ms';
  if (ms < 10) return `${trim(ms.toFixed(1))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${trim((ms / 1000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
  if (hours < 1) return pair(minutes, 'min', seconds % 60, 's');
  if (days < 1) return pair(hours, 'h', minutes % 60, 'min');
  return pair(days, 'd', hours % 24, 'h');
}

/** `17 B`, `1.2 KiB`, `34 MiB`. */
export function printBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : trim(value.toFixed(1))} ${UNITS[unit] ?? ''}`;
}

/** `1 row`, `12,345 rows`. */
export function printCount(count: number, one: string, many = `${one}s`): string {
  return `${printNumber(count)} ${count === 1 ? one : many}`;
}

/** Groups of three, whatever the browser's language: figures stand beside English words. */
export function printNumber(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

/** `2026-03-11 21:42:38.485` on the reader's clock; `zone` UTC where an exact text is needed. */
export function printTime(ms: number, detail: 'seconds' | 'milliseconds' = 'seconds', zone?: 'UTC'): string {
  if (ms === 0) return '—';
  const date = new Date(ms);
  const part = (local: number, utc: number, width = 2): string =>
    String(zone === 'UTC' ? utc : local).padStart(width, '0');
  const day = `${part(date.getFullYear(), date.getUTCFullYear(), 4)}-${part(date.getMonth() + 1, date.getUTCMonth() + 1)}-${part(date.getDate(), date.getUTCDate())}`;
  const time = `${part(date.getHours(), date.getUTCHours())}:${part(date.getMinutes(), date.getUTCMinutes())}:${part(date.getSeconds(), date.getUTCSeconds())}`;
  const fraction = detail === 'milliseconds' ? `.${part(date.getMilliseconds(), date.getUTCMilliseconds(), 3)}` : '';
  return `${day} ${time}${fraction}`;
}

/** `just now`, `12 s ago`, `4 min ago`, `3 h ago`, `5 d ago`. */
export function printAgo(thenMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - thenMs) / 1000);
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function trim(text: string): string {
  return text.replace(/\.0$/, '');
}
