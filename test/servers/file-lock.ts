/** A lock between processes of one machine, held by a living process or by nobody. */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const pollMs = 100;

/** Waits for the lock, blocking; the returned function lets it go. Throws when a living process still holds it after `timeoutMs`. */
export function lockFile(path: string, timeoutMs: number): () => void {
  const deadline = performance.now() + timeoutMs;
  while (!take(path)) {
    if (!isAlive(holderOf(path))) rmSync(path, { force: true });
    else if (performance.now() > deadline) throw new Error(`the lock ${path} was not free within ${timeoutMs} ms`);
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pollMs);
  }
  return () => rmSync(path, { force: true });
}

function take(path: string): boolean {
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Undefined when it was let go meanwhile. */
function holderOf(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
