import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../resource/duration.ts';

/** `90s`, `1h30m`, `2d` to milliseconds. Throws InvalidArgumentError (a usage error that names the flag). */
export function parseDurationMs(text: string): number {
  const ms = parseDuration(text.trim());
  if (ms === undefined || ms === 0)
    throw new InvalidArgumentError('Expected a duration with units, for example 30m, 8h, 1h30m or 2d.');
  if (ms > MAX_MS) throw new InvalidArgumentError('Expected at most ten years.');
  return ms;
}

/** Like {@link parseDurationMs}; a number alone is minutes. In whole seconds. */
export function parseTtlSeconds(text: string): number {
  const ms = parseDurationMs(/^\d+$/.test(text.trim()) ? `${text.trim()}m` : text);
  if (ms < 1000) throw new InvalidArgumentError('Expected at least one second.');
  return Math.floor(ms / 1000);
}

/** `8h`, `1h30m`, `9m59s`, `45s`; days from 48 hours on. In whole seconds, from ten minutes on in the nearest minute. */
export function printDuration(ms: number): string {
  let seconds = Math.max(0, ms < 600_000 ? Math.floor(ms / 1000) : Math.round(ms / 60_000) * 60);
  if (seconds === 0) return '0s';
  const parts: string[] = [];
  const days = seconds >= 172_800 ? Math.floor(seconds / 86_400) : 0;
  seconds -= days * 86_400;
  if (days > 0) parts.push(`${days}d`);
  const hours = Math.floor(seconds / 3600);
  if (hours > 0) parts.push(`${hours}h`);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (minutes > 0) parts.push(`${minutes}m`);
  if (seconds % 60 > 0 && hours === 0 && days === 0) parts.push(`${seconds % 60}s`);
  return parts.join('');
}

/** A point in time: RFC 3339 (a date alone is its midnight in UTC), `now`, or a duration ago (`1h`, `2d`). As RFC 3339 in UTC. */
export function parseTime(text: string, nowMs: number): string {
  const trimmed = text.trim();
  if (trimmed === 'now') return new Date(nowMs).toISOString();
  if (parseDuration(trimmed) !== undefined) return new Date(nowMs - parseDurationMs(trimmed)).toISOString();
  if (!RFC3339.test(trimmed) || Number.isNaN(Date.parse(trimmed))) {
    throw new InvalidArgumentError(
      'Expected a time like 2026-01-31T08:00:00Z, a date like 2026-01-31, or how long ago: 1h, 2d.',
    );
  }
  return new Date(trimmed).toISOString();
}

/** `2026-01-01 20:00:00 UTC`. */
export function printTime(time: string | number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const MAX_MS = 10 * 366 * 86_400_000;
const RFC3339 = /^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2}))?$/;
