import { readFile } from 'node:fs/promises';

import type { Config } from '../config/schema.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * The join token with its pins, read from its file when it has one. Undefined when none is configured or its file is gone: a host that has joined needs none, and one that has
 * not is told so by `openHostIdentity`. Never shows the token.
 */
export async function readJoinToken(
  config: Config,
  log: Log,
): Promise<{ readonly token: string; readonly caPins: readonly string[] } | undefined> {
  const { join } = config;
  if (join === undefined) return undefined;
  if (join.token.type === 'value') return { token: join.token.value, caPins: join.caPins };
  const { path } = join.token;
  try {
    return { token: (await readFile(path, 'utf8')).trim(), caPins: join.caPins };
  } catch (error) {
    log.warn({ err: error, path }, 'the file of the join token can not be read; it is needed only to join');
    return undefined;
  }
}
