import { countWords } from '../time-words.ts';

/** Figures of events in words: finer than time-words.ts where statements need it. */

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

/** `1 row`, `12,345 rows`. */
export function printCount(count: number, one: string, many = `${one}s`): string {
  return `${countWords(count)} ${count === 1 ? one : many}`;
}

/** Rows of an answer, `12 rows`; empty for none where the command has none to tell, such as BEGIN. `command` without its count. */
export function rowWords(rows: number | undefined, command: string): string {
  if (rows === undefined || (rows === 0 && command !== '' && !WITH_ROWS.test(command))) return '';
  return printCount(rows, 'row');
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

const WITH_ROWS = /^(SELECT|INSERT|UPDATE|DELETE|MERGE|FETCH|MOVE|COPY|TABLE|VALUES)\b/;

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function trim(text: string): string {
  return text.replace(/\.0$/, '');
}
