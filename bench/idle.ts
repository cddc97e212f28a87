/** Memory of idle sessions: what the relaying processes grow by while many clients sit connected. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Target } from './targets.ts';

const parallelConnects = 8;
const settleMs = 1500;

/** KB of resident memory per idle session, for each relaying process of the target. */
export async function idleMemory(target: Target, sessions: number): Promise<number[]> {
  await withSessions(target, parallelConnects, async () => undefined);
  await sleep(settleMs);
  const before = target.pids.map(residentKb);
  let after: number[] = [];
  await withSessions(target, sessions, async () => {
    await sleep(settleMs);
    after = target.pids.map(residentKb);
  });
  return after.map((kb, index) => (kb - (before[index] ?? 0)) / sessions);
}

async function withSessions(target: Target, count: number, body: () => Promise<void>): Promise<void> {
  const clients: Client[] = [];
  try {
    for (let at = 0; at < count; at += parallelConnects) {
      clients.push(
        ...(await Promise.all(Array.from({ length: Math.min(parallelConnects, count - at) }, () => open(target)))),
      );
    }
    await body();
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()));
  }
}

async function open(target: Target): Promise<Client> {
  const file = (name: string): string => readFileSync(target.env[name] ?? '', 'utf8');
  const client = new Client({
    host: target.env['PGHOST'] ?? 'localhost',
    port: Number(target.env['PGPORT']),
    user: target.env['PGUSER'] ?? 'bench',
    database: target.env['PGDATABASE'] ?? 'bench',
    ssl: { ca: file('PGSSLROOTCERT'), cert: file('PGSSLCERT'), key: file('PGSSLKEY') },
  });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('select 1');
  return client;
}

function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
