import type { Io } from './io.ts';

/**
 * Waits for `work`. When it takes longer than a second, says on stderr what is going on: a line that disappears on a
 * terminal, a plain line elsewhere.
 */
export async function withProgress<T>(io: Io, doing: string, work: Promise<T>): Promise<T> {
  let shown = false;
  const timer = setTimeout(() => {
    shown = true;
    io.stderr.write(io.stderr.isTTY === true ? `${doing} …` : `${doing} ...\n`);
  }, PATIENCE_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    if (shown && io.stderr.isTTY === true) io.stderr.write('\r\u001b[2K');
  }
}

const PATIENCE_MS = 1000;
