/** For tests that send what nobody should: what comes back until the end, and what the services grew by. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';

const giveUpMs = 20_000;

/** All bytes until the other side closes or resets; rejects when it does neither in time. */
export function untilEnd(socket: Socket, withinMs = giveUpMs): Promise<Buffer> {
  return new Promise((done, failed) => {
    const chunks: Buffer[] = [];
    const timer = setTimeout(() => {
      socket.destroy();
      failed(new Error(`the connection was still open after ${withinMs} ms`));
    }, withinMs);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('close', () => {
      clearTimeout(timer);
      done(Buffer.concat(chunks));
    });
    if (socket.destroyed) socket.emit('close');
  });
}

/** All bytes until it ends or says nothing more for `quietMs`. */
export async function untilQuiet(socket: Socket, quietMs: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let lastMs = performance.now();
  const keep = (chunk: Buffer): void => {
    chunks.push(chunk);
    lastMs = performance.now();
  };
  socket.on('data', keep);
  while (!socket.destroyed && performance.now() - lastMs < quietMs) await sleep(10);
  socket.off('data', keep);
  return Buffer.concat(chunks);
}

/** Resident memory of each proxy and agent, MB. */
export function residentMb(cluster: Cluster): number[] {
  return [...cluster.proxies, ...cluster.agents].map(
    ({ pid }) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
  );
}
