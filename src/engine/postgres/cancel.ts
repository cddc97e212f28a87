import type { SecureContext } from 'node:tls';

import { decodeStartupPacket, encodeStartupPacket } from '../../protocol/postgres/startup.ts';
import type { Database } from '../../resource/resource.ts';
import type { CancelKeys } from '../cancel-keys.ts';
import { dialForCancel } from './dial.ts';

/** The database's own key of one session; never leaves the agent. */
export type BackendKey = { readonly pid: number; readonly secret: Buffer };

/** Acts on a client's CancelRequest: when its key is one of ours, the statement of that session is stopped at the database. */
export async function cancelPostgres(packet: Uint8Array, keys: CancelKeys): Promise<'sent' | 'unknown' | 'malformed'> {
  let cancel: (() => Promise<void>) | undefined;
  try {
    const bytes = Buffer.from(packet);
    const request = decodeStartupPacket(bytes);
    if (request?.packet.type !== 'CancelRequest' || request.length !== bytes.length) return 'malformed';
    cancel = keys.find(request.packet.processId, request.packet.key);
  } catch {
    return 'malformed';
  }
  if (cancel === undefined) return 'unknown';
  await cancel();
  return 'sent';
}

/**
 * Asks the database, over a connection of its own, to stop what the backend runs. The database does not say whether it did; resolves when it closed the connection, after
 * `timeoutMs` at the latest. Never throws.
 */
export async function cancelAtDatabase(
  database: Database,
  secureContext: SecureContext,
  key: BackendKey,
  timeoutMs: number,
): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const socket = await dialForCancel(database, secureContext, signal);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        socket.destroy();
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      socket.on('error', done).on('close', done).on('end', done).resume();
      socket.write(encodeStartupPacket({ type: 'CancelRequest', processId: key.pid, key: key.secret }));
    });
  } catch {
    // As with libpq: a cancel that does not arrive changes nothing, and its sender sees that the statement goes on.
  }
}
