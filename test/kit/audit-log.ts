/** The Auth Service's file store, read as an auditor's own script would: one JSON document a line. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';

export type LoggedEvent = Readonly<Record<string, unknown>> & {
  readonly event: string;
  readonly code: string;
  readonly uid: string;
};

export function readAuditLog(cluster: Cluster): LoggedEvent[] {
  const folder = join(cluster.folder, 'auth/data/log');
  return (
    globSync('*.log', { cwd: folder })
      // The last line may be on its way.
      .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n').slice(0, -1))
      .map((line) => JSON.parse(line) as LoggedEvent)
  );
}

/** Reads again until `found` gives something else than undefined. */
export async function waitForAudit<T>(
  cluster: Cluster,
  what: string,
  found: (events: LoggedEvent[]) => T | undefined,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const events = readAuditLog(cluster);
    const result = found(events);
    if (result !== undefined) return result;
    if (performance.now() > deadline)
      throw new Error(`the audit log did not get ${what} within ${timeoutMs} ms; it has ${events.length} events`);
    await sleep(100);
  }
}
