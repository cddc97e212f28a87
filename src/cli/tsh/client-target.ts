import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../telemetry/clock.ts';
import type { Io } from '../io.ts';
import { tell } from '../io.ts';
import type { ClientTarget } from './connection-info.ts';
import { connectionInfo, needsTunnel } from './connection-info.ts';
import { nativeClient } from './native-client.ts';
import type { DatabaseLogin } from './route-certificate.ts';
import type { Session } from './session.ts';

/**
 * Runs `work` with what a client of tsh's own connects to: the proxy itself, or with `tunnel`, and always where the proxy has no listener for the protocol, a
 * tunnel inside of this process. Its socket lies in a folder that only the person may enter, so nobody else on the machine can use it; the tunnel ends with `work`.
 */
export async function withClientTarget<T>(
  io: Io,
  session: Session,
  login: DatabaseLogin,
  tunnel: boolean,
  work: (target: ClientTarget) => Promise<T>,
): Promise<T> {
  if (!tunnel && !needsTunnel(login)) return work({ kind: 'proxy', info: connectionInfo(session, login) });
  const { openTunnel, routeOfLogin } = await import('./tunnel/tunnel.ts');
  const { ENDPOINT_LIMITS } = await import('./tunnel/endpoint.ts');
  // Short: a socket's path may have about a hundred characters.
  const folder = mkdtempSync(join(tmpdir(), 'tsh-'));
  try {
    const path = join(folder, nativeClient(login.protocol, login.service).socketName);
    const opened = await openTunnel(io, session, routeOfLogin(login), {
      listen: { path },
      limits: ENDPOINT_LIMITS,
      // The client says what happens to its connections; only what it can not know is told.
      watcher: { opened() {}, closed() {}, refused() {} },
      tell: (line) => {
        if (io.env['TESSERA_DEBUG'] !== undefined) tell(io, line);
      },
      asking: undefined,
      factors: undefined,
      onCancelled: () => {},
      clock: systemClock,
    });
    try {
      return await work({ kind: 'socket', path, user: login.user, database: login.database });
    } finally {
      opened.destroy();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
