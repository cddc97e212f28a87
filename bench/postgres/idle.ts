/** Memory of idle sessions: what the relaying processes grow by while many clients sit connected. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Target } from './targets.ts';

const parallelConnects = 8;
const settleMs = 1500;

/**
 * KB of resident memory per idle session, for each relaying process of the target: what `sessions` more cost when a quarter as many are there already, so that what a process
 * allocates once, with its first sessions, does not count.
 */
export async function idleMemory(target: Target, sessions: number): Promise<number[]> {
  const clients: Client[] = [];
  try {
    await connectMore(clients, target, Math.ceil(sessions / 4));
    const before = target.pids.map(residentKb);
    await connectMore(clients, target, sessions);
    return target.pids.map((pid, index) => (residentKb(pid) - (before[index] ?? 0)) / sessions);
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()));
  }
}

async function connectMore(clients: Client[], target: Target, count: number): Promise<void> {
  for (let at = 0; at < count; at += parallelConnects) {
    const some = Array.from({ length: Math.min(parallelConnects, count - at) }, () => open(target));
    clients.push(...(await Promise.all(some)));
  }
  await sleep(settleMs);
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
