/** What every engine's measurements share: how long they take, and that the ways are measured in turn. */
import type { Runs } from './report.ts';

/** How much of everything. */
export type Plan = {
  readonly runs: number;
  readonly seconds: number;
  readonly seconds64: number;
  /** Rows of the table for COPY. */
  readonly bulkRows: number;
  /** Of pgbench's tables. */
  readonly scale: number;
  readonly idleSessions: number;
  /** Of sysbench's table. */
  readonly sysbenchRows: number;
};

/** `floor`: what a chain of C programs with as many TLS legs as Tessera's costs. */
export type TargetId = 'direct' | 'floor' | 'tessera';

/** Takes one figure of each target a round, A B C, B C A, C A B ...: each round gives one pair for every ratio. */
export async function interleaved<T extends { readonly id: TargetId }>(
  id: string,
  targets: readonly T[],
  runs: number,
  one: (target: T) => Promise<number>,
): Promise<Runs> {
  const figures: Record<TargetId, number[]> = { direct: [], floor: [], tessera: [] };
  for (let round = 0; round < runs; round++) {
    for (let at = 0; at < targets.length; at++) {
      const target = targets[(at + round) % targets.length];
      if (target === undefined) continue;
      const value = await one(target);
      figures[target.id].push(value);
      say(`${id} ${round + 1}/${runs} ${target.id}: ${Number(value.toPrecision(4))}`);
    }
  }
  return figures;
}

/** For whoever waits. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
