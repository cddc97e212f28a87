import { formatDuration } from '../resource/duration.ts';
import { printSize } from './fields.ts';
import type { AuthLimits, DatabaseLimits, JournalConfig, ProxyLimits, TunnelConfig } from './schema.ts';

/** Every limit's default, in one place. Reasons stand with the types in schema.ts. */

const KiB = 1024;
const MiB = 1024 * KiB;

export const defaultDataDir = '/var/lib/tessera';
/** Less than the 90 s after which service managers kill. */
export const defaultShutdownTimeoutMs = 60_000;
export const defaultMaxLockAgeMs = 5 * 60_000;
export const defaultProxyListenAddr = { host: '0.0.0.0', port: 3080 } as const;
/** Of a release that every driver knows, and plainly ours. */
export const defaultMysqlServerVersion = '8.0.36-Tessera';
export const defaultHealthCheck = { intervalMs: 30_000, timeoutMs: 5000 } as const;

export const defaultAuthLimits: AuthLimits = {
  maxConnections: 15_000,
  maxConnectionsPerClient: 1000,
  handshakeTimeoutMs: 15_000,
  anonymousRatePerMinute: 20,
  anonymousBurst: 40,
  maxPasswordHashes: 4,
  maxSignatures: 10,
  maxWatches: 10_000,
  maxWatchHistory: 8192,
  maxRequestBytes: 4 * MiB,
  maxAuditBatchBytes: 16 * MiB,
  maxSearchResults: 1000,
  maxWebSessionsPerUser: 10,
  maxClientLogins: 5000,
  maxClientLoginsPerClient: 100,
  clientRefusalEventsPerMinute: 10,
  refusalEventsPerMinute: 600,
};

export const defaultProxyLimits: ProxyLimits = {
  maxConnections: 15_000,
  maxConnectionsPerClient: 1000,
  handshakeTimeoutMs: 15_000,
  maxClientHelloBytes: 64 * KiB,
  maxStartupBytes: 10_000,
  cancelRatePerMinute: 60,
  killRatePerMinute: 600,
  maxTunnels: 10_000,
  agentAcceptTimeoutMs: 10_000,
  maxReplayBytes: 64 * KiB,
  lockGraceMs: 10_000,
  authJoinsPerMinute: 600,
  clientRefusalEventsPerMinute: 10,
  refusalEventsPerMinute: 600,
  maxJournalBytes: 64 * MiB,
  maxWebStreams: 100,
  maxWebCalls: 4000,
  maxWebCallsPerClient: 400,
  maxWebCallsPerSession: 64,
  maxWebRequestBytes: MiB,
  maxWebAnonymousRequestBytes: 32 * KiB,
  maxWebBufferedBytes: 64 * MiB,
  maxWebAnswerBytes: 16 * MiB,
  webCallTimeoutMs: 30_000,
  webStallTimeoutMs: 30_000,
  webIdleTimeoutMs: 60_000,
  webCallbacksPerMinute: 120,
  maxSamlAnswerBytes: 512 * KiB,
};

export const defaultTunnel: TunnelConfig = {
  maxStreams: 8192,
  maxStreamWindowBytes: 4 * MiB,
  keepAliveIntervalMs: 10_000,
  keepAliveTimeoutMs: 30_000,
};

export const defaultJournal: JournalConfig = {
  maxBytes: 1024 * MiB,
  sync: 'interval',
  syncIntervalMs: 20,
  fullWaitMs: 10_000,
};

export const defaultDatabaseLimits: DatabaseLimits = {
  maxSessions: 8192,
  maxStartupBytes: 10_000,
  maxAuditedStatementBytes: 64 * KiB,
  maxAuditedValuesBytes: 64 * KiB,
  maxPreparedStatements: 10_000,
  maxPipelinedStatements: 10_000,
  connectTimeoutMs: 30_000,
  killRatePerMinute: 60,
  clientRefusalEventsPerMinute: 10,
  refusalEventsPerMinute: 600,
};

/** `handshakeTimeoutMs` -> `handshake_timeout`: the name in the file. Sizes keep their `_bytes`. */
export function keyInFile(name: string): string {
  return name.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A default as it would stand in the file. */
export function valueInFile(name: string, value: number | string): string {
  if (typeof value === 'string') return value;
  if (name.endsWith('Ms')) return formatDuration(value);
  return name.endsWith('Bytes') ? printSize(value) : String(value);
}

/** The values of a section over its defaults: keys of the file (`max_streams`) to names of the type (`maxStreams`, `...Ms`). */
export function withDefaults<T extends { readonly [name: string]: number | string }>(
  defaults: T,
  section: object | undefined,
): T {
  const given: Readonly<Record<string, unknown>> = { ...section };
  return Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, given[keyInFile(name)] ?? value]),
  ) as T;
}
