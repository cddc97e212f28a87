/** Rows of figures to a table for people and JSON for machines. */
import { cpus, totalmem } from 'node:os';
import type { TargetId } from './rounds.ts';

/** In the order of the rounds. */
export type Runs = Readonly<Record<TargetId, readonly number[]>>;

/** Ratios are medians of the pairs taken in the same round; null where a side was not measured. */
export type Row = {
  readonly id: string;
  readonly direct: number | null;
  readonly floor: number | null;
  readonly tessera: number | null;
  readonly vs_direct: number | null;
  readonly vs_floor: number | null;
  readonly unit: string;
  readonly runs: number;
};

export function row(id: string, unit: string, runs: Runs): Row {
  const middle = (values: readonly number[]): number | null => (values.length === 0 ? null : rounded(median(values)));
  return {
    id,
    direct: middle(runs.direct),
    floor: middle(runs.floor),
    tessera: middle(runs.tessera),
    vs_direct: ratio(runs.tessera, runs.direct),
    vs_floor: ratio(runs.tessera, runs.floor),
    unit,
    runs: runs.tessera.length,
  };
}

type Goal = { readonly text: string; holds(row: Row): boolean };

/** Goals of ARCHITECTURE.md's "Numbers to hold": what each row is compared with, and whether it holds. An engine's own rows have its name before the `_` and the same goals. */
const goals: Readonly<Record<string, Goal>> = {
  select_c1_p50: { text: '<= 1.2x floor', holds: (r) => r.vs_floor === null || r.vs_floor <= 1.2 },
  select_c8_tps: { text: '>= 1.0x floor', holds: (r) => r.vs_floor === null || r.vs_floor >= 1 },
  select_c64_tps: { text: '>= 1.5x floor', holds: (r) => r.vs_floor === null || r.vs_floor >= 1.5 },
  copy_out: {
    text: '<= 1.1x floor, <= 1.7x direct',
    holds: (r) => (r.vs_floor ?? 0) <= 1.1 && (r.vs_direct ?? 0) <= 1.7,
  },
  copy_in: {
    text: '<= 1.1x floor, <= 1.4x direct',
    holds: (r) => (r.vs_floor ?? 0) <= 1.1 && (r.vs_direct ?? 0) <= 1.4,
  },
  connect: {
    text: '<= 0.9x floor, <= 1.6x direct',
    holds: (r) => (r.vs_floor ?? 0) <= 0.9 && (r.vs_direct ?? 0) <= 1.6,
  },
  idle_proxy: { text: '<= 80 KB', holds: (r) => (r.tessera ?? Infinity) <= 80 },
  idle_agent: { text: '<= 80 KB', holds: (r) => (r.tessera ?? Infinity) <= 80 },
  beside_copy_p50: { text: '<= 2x of without', holds: (r) => (r.tessera ?? Infinity) <= 2 },
  audit_cpu: { text: '<= 20 us', holds: (r) => (r.tessera ?? Infinity) <= 20 },
};

export function table(rows: readonly Row[]): string {
  const cells = rows.map((r) => [
    r.id,
    show(r.direct),
    show(r.floor),
    show(r.tessera),
    r.unit,
    show(r.vs_direct),
    show(r.vs_floor),
    String(r.runs),
    verdict(r),
  ]);
  const head = ['what', 'direct', 'stunnels', 'tessera', 'unit', 'vs direct', 'vs stunnels', 'runs', 'goal'];
  return [head, head.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |`).join('\n');
}

export function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} x ${cpu?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, ${process.platform}`;
}

export function held(rows: readonly Row[]): boolean {
  return rows.every((r) => goalOf(r)?.holds(r) ?? true);
}

function goalOf(r: Row): Goal | undefined {
  return goals[r.id.replace(/^mysql_/, '')];
}

function verdict(r: Row): string {
  const goal = goalOf(r);
  return goal === undefined ? '' : `${goal.text}: ${goal.holds(r) ? 'held' : 'NOT held'}`;
}

function ratio(of: readonly number[], to: readonly number[]): number | null {
  if (of.length === 0 || to.length === 0) return null;
  return rounded(median(of.map((value, index) => value / (to[index] ?? Number.NaN))));
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function show(value: number | null): string {
  return value === null ? '-' : String(value);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
