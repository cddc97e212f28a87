import type { Config } from '../config/schema.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';
import type { RunningAuthService } from './auth/service.ts';
import { hasIdentity } from './identity.ts';
import type { RunningService } from './service.ts';

export type ServicesDeps = {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
  readonly version: string;
  /** Ends a start that waits (joining while Auth is away). */
  readonly signal: AbortSignal;
};

/**
 * Starts what the configuration enables, in the order in which they need each other, into `running`. In a process with Auth the proxy and the agent join by themselves. Each service's code is loaded only
 * when it is enabled. Throws what the first failing service throws; those before it stay in `running` for the caller to close.
 */
export async function startServices(deps: ServicesDeps, running: Map<string, RunningService>): Promise<void> {
  const { config } = deps;
  const auth = config.auth === undefined ? undefined : await startAuth(deps);
  if (auth !== undefined) running.set('auth', auth);
  if (config.proxy !== undefined) running.set('proxy', await startProxy(deps, await joining(deps, 'proxy', auth)));
  if (config.database !== undefined) {
    running.set('database', await startDatabase(deps, await joining(deps, 'database', auth)));
  }
}

async function startAuth(deps: ServicesDeps): Promise<RunningAuthService> {
  const { startAuthService } = await import('./auth/service.ts');
  return startAuthService({ ...deps, log: deps.log.child({ service: 'auth' }) });
}

async function startProxy(deps: ServicesDeps, config: Config): Promise<RunningService> {
  const { startProxyService } = await import('./proxy/proxy.ts');
  return startProxyService({ ...deps, config, log: deps.log.child({ service: 'proxy' }) });
}

async function startDatabase(deps: ServicesDeps, config: Config): Promise<RunningService> {
  const { startDatabaseService } = await import('./database/service.ts');
  return startDatabaseService({ ...deps, config, log: deps.log.child({ service: 'database' }) });
}

/** A token is made only for a service that will use it: who has joined needs none, and unused ones would pile up at every start. */
async function joining(
  { config, clock }: ServicesDeps,
  role: 'proxy' | 'database',
  auth: RunningAuthService | undefined,
): Promise<Config> {
  if (auth === undefined || (await hasIdentity({ dataDir: config.dataDir, role, clock }))) return config;
  const { token, caPins } = await auth.localJoin(role);
  return { ...config, join: { token: { type: 'value', value: token }, caPins } };
}
