import { setFlagsFromString } from 'node:v8';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseConfig } from '../config/parse.ts';
import type { Config } from '../config/schema.ts';
import { ConfigError, StorageError, TesseraError } from '../errors.ts';
import { systemClock } from '../telemetry/clock.ts';
import { DiagnosticsServer } from '../telemetry/diagnostics.ts';
import { createInstruments, type Instruments } from '../telemetry/instruments.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { addressText } from './address-text.ts';
import { programVersion } from './program-version.ts';
import type { RunningService } from './service.ts';
import { startServices } from './start-services.ts';

/**
 * `tessera start`: runs the services of one configuration until SIGTERM or SIGINT, which drains (a second one ends at once). SIGHUP reads the configuration again; a wrong one is
 * refused and the old one stays. Returns the exit code: 0 after an orderly end, 1 when the start failed, 2 for a configuration that is wrong.
 */
export async function runProcess(configPath: string): Promise<number> {
  // Every byte relayed passes through buffers outside of V8's heap. By default each 32 MB of them start a full mark of the heap, which at 200 MB/s costs more than the relay itself.
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  const stop = new AbortController();
  const signals = catchSignals();
  const config = parseConfig(readText(configPath), configPath, process.env);
  const log = createLog({
    level: config.log.level === 'trace' ? 'debug' : config.log.level,
    format: config.log.format,
  });
  const metrics = new Metrics({ processMetrics: true });
  const names = namesOf(config);
  const version = programVersion();
  const instruments = createInstruments(metrics, { version, service: names.join(',') });
  prepareFolder(config.dataDir);
  const running = new Map<string, RunningService>();
  const diagnostics = await listenDiagnostics(config, { log, metrics, names, running });
  try {
    if (config.pidFile !== undefined) writeFileSync(config.pidFile, `${process.pid}\n`);
    const started = startServices(
      { config, clock: systemClock, log, instruments, version, signal: stop.signal },
      running,
    );
    const ended = await Promise.race([started.then(() => undefined), signals.stopped]);
    if (ended !== undefined) {
      stop.abort();
      await started.catch(() => undefined);
    }
    log.info({ services: names, config: configPath, version }, 'started');
    await serve(configPath, { config, log, instruments, running, signals });
    return 0;
  } catch (error) {
    return failed(error, log, running);
  } finally {
    await diagnostics?.close();
    if (config.pidFile !== undefined) rmSync(config.pidFile, { force: true });
  }
}

type Serving = {
  config: Config;
  readonly log: Log;
  readonly instruments: Instruments;
  readonly running: ReadonlyMap<string, RunningService>;
  readonly signals: Signals;
};

async function serve(configPath: string, serving: Serving): Promise<void> {
  const { log, running, signals } = serving;
  signals.onReload(() => void reload(configPath, serving));
  const signal = await signals.stopped;
  log.info(
    { signal, timeout_ms: serving.config.shutdownTimeoutMs },
    'draining: no new sessions, a second signal ends at once',
  );
  signals.onSecondStop(() => process.exit(1));
  // Agents and proxies first: Auth takes their last audit events.
  for (const name of ['database', 'proxy', 'auth']) await running.get(name)?.drain(serving.config.shutdownTimeoutMs);
  log.info({}, 'ended');
}

async function reload(configPath: string, serving: Serving): Promise<void> {
  try {
    const config = parseConfig(readText(configPath), configPath, process.env);
    for (const service of serving.running.values()) await service.reload(config);
    serving.config = config;
    serving.log.info({ config: configPath }, 'configuration reloaded');
  } catch (error) {
    serving.log.error({ err: error, config: configPath }, 'configuration not reloaded, the old one stays');
  }
}

async function failed(error: unknown, log: Log, running: ReadonlyMap<string, RunningService>): Promise<number> {
  for (const service of running.values()) await service.drain(0).catch(() => undefined);
  log.error(
    { err: error },
    error instanceof TesseraError ? 'can not start' : 'can not start, and this is a fault of ours: please report it',
  );
  return error instanceof ConfigError ? 2 : 1;
}

function namesOf(config: Config): string[] {
  return [config.auth && 'auth', config.proxy && 'proxy', config.database && 'database'].filter(
    (name) => name !== undefined,
  );
}

type DiagnosticParts = {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly names: readonly string[];
  readonly running: ReadonlyMap<string, RunningService>;
};

async function listenDiagnostics(config: Config, parts: DiagnosticParts): Promise<DiagnosticsServer | undefined> {
  if (config.diagAddr === undefined) return undefined;
  const readiness = () =>
    new Map(
      parts.names.map((name) => [name, parts.running.get(name)?.readiness() ?? { ready: false, reason: 'starting' }]),
    );
  return DiagnosticsServer.listen(
    { address: addressText(config.diagAddr) },
    { log: parts.log, metrics: parts.metrics, readiness },
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError([`${path}: can not be read: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** Only this user may look into the data folder: keys, journals and state are in it. */
function prepareFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  } catch (error) {
    throw new StorageError(
      'DATA_DIR_UNUSABLE',
      `data_dir ${folder} can not be made, or belongs to somebody else: make it and give it to this user, or name another`,
      { cause: error },
    );
  }
}

type Signals = {
  /** The first SIGTERM or SIGINT. */
  readonly stopped: Promise<string>;
  onReload(callback: () => void): void;
  onSecondStop(callback: () => void): void;
};

function catchSignals(): Signals {
  let stops = 0;
  let second: (() => void) | undefined;
  let again: (() => void) | undefined;
  let reloadAsked = false;
  process.on('SIGHUP', () => {
    if (again === undefined) reloadAsked = true;
    else again();
  });
  const stopped = new Promise<string>((done) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        stops++;
        if (stops > 1) second?.();
        done(signal);
      });
    }
  });
  return {
    stopped,
    onReload(callback) {
      again = callback;
      if (reloadAsked) callback();
    },
    onSecondStop(callback) {
      second = callback;
    },
  };
}
