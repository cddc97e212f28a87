import type { Database } from '../../resource/resource.ts';
import type { HealthTarget } from '../engine.ts';
import { dialPostgres } from './dial.ts';

/** TCP, SSLRequest and the TLS handshake, verified as for a session; no sign-in, so the version stays unknown. Throws UpstreamError. */
export async function checkPostgres(
  database: Database,
  target: HealthTarget,
  signal: AbortSignal,
): Promise<Record<string, never>> {
  const socket = await dialPostgres(
    database,
    target.secureContext,
    AbortSignal.any([signal, AbortSignal.timeout(target.connectTimeoutMs)]),
  );
  socket.destroy();
  return {};
}
