/** Parts of an engine's session for tests: people, grants, a recorder that remembers, and everything `runSession` needs. */
import { authorize, type Denial, type Grant } from '../../src/access/grant.ts';
import type { Recorder } from '../../src/audit/recorder.ts';
import { checkEvent } from './events.ts';
import { CancelKeys } from '../../src/engine/cancel-keys.ts';
import { ConnectionCounts } from '../../src/engine/connection-counts.ts';
import type { AccessRequest, DatabaseTarget, Engine, RelaySession } from '../../src/engine/engine.ts';
import { SessionIds, type SessionsElsewhere } from '../../src/engine/session-ids.ts';
import type { SessionLimits, SessionParts } from '../../src/engine/session.ts';
import type { UserIdentity, VerifiedCertificate } from '../../src/resource/identity.ts';
import type { Database, Lock, Role, RoleConditions, RoleOptions } from '../../src/resource/resource.ts';
import type { Clock } from '../../src/telemetry/clock.ts';
import { createInstruments } from '../../src/telemetry/instruments.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import type { Channel } from '../../src/wire/channel.ts';

export type RecordedEvent = { readonly event: string; readonly code: string; readonly [field: string]: unknown };

/** Remembers committed events; can be full, broken, or slow to sync. */
export class MemoryRecorder implements Recorder {
  readonly sessionId = 'f2c6f0f4-0000-4000-8000-000000000001';
  readonly events: RecordedEvent[] = [];
  /** What happened in which order, shared with a fake database: `event TDB02I`. */
  readonly trace: string[];
  full = false;
  broken = false;
  sync: (() => Promise<void>) | undefined;
  #pending: RecordedEvent[] = [];
  #index = 0;
  #databaseName: string | undefined;
  #waiting: ((outcome: 'space' | 'gave-up') => void)[] = [];

  constructor(trace: string[] = []) {
    this.trace = trace;
  }

  /** Throws for an event that src/audit/events.table.ts does not describe to the letter. */
  write(event: string, code: string, fields: Readonly<Record<string, unknown>>): number {
    checkEvent({ event, code, fields });
    const changed = this.#databaseName === undefined ? {} : { db_name: this.#databaseName };
    this.#pending.push({ event, code, ei: this.#index, ...changed, ...fields });
    return this.#index++;
  }

  writeSerialized(event: string, code: string, fieldsJson: string): number {
    return this.write(event, code, JSON.parse(`{${fieldsJson}}`) as Record<string, unknown>);
  }

  /** Events before the first call have no `db_name` here. */
  useDatabase(name: string): void {
    this.#databaseName = name;
  }

  commit(): 'written' | 'full' {
    if (this.broken) throw new Error('disk failed');
    if (this.#pending.length === 0) return 'written';
    if (this.full) return 'full';
    for (const event of this.#pending) this.trace.push(`event ${event.code}`);
    this.events.push(...this.#pending);
    this.#pending = [];
    return 'written';
  }

  onSpace(callback: (outcome: 'space' | 'gave-up') => void): void {
    this.#waiting.push(callback);
  }

  synced(): Promise<void> | undefined {
    return this.sync?.();
  }

  /** Wakes who waits; `space` makes room first. */
  settle(outcome: 'space' | 'gave-up'): void {
    if (outcome === 'space') this.full = false;
    else this.#pending = [];
    for (const callback of this.#waiting.splice(0)) callback(outcome);
  }

  codes(): string[] {
    return this.events.map((event) => event.code);
  }

  of(code: string): RecordedEvent[] {
    return this.events.filter((event) => event.code === code);
  }
}

export const alice: UserIdentity = {
  kind: 'user',
  user: 'alice',
  userKind: 'local',
  roles: ['access'],
  traits: {},
  route: { service: 'orders', protocol: 'postgres' },
};

export function certificateOf(identity: UserIdentity, notAfterMs: number): VerifiedCertificate<UserIdentity> {
  return {
    identity,
    clusterName: 'test',
    fingerprint: 'ab'.repeat(32),
    serial: '01',
    notBeforeMs: 0,
    notAfterMs,
    der: Buffer.alloc(0),
  };
}

export function databaseAt(uri: string, tls: Database['spec']['tls'] = { mode: 'verify-full' }): Database {
  return {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'orders', labels: { env: 'test' } },
    spec: { protocol: 'postgres', uri, tls },
  };
}

/** What a decision is made of; change `locks` and `throws` while a session lives. */
export class Policy {
  options: RoleOptions = {};
  allow: RoleConditions = { db_labels: { '*': ['*'] }, db_users: ['*'], db_names: ['*'] };
  locks: Lock[] = [];
  throws = false;
  decisions = 0;
  readonly #listeners = new Set<() => void>();

  readonly onChange = (callback: () => void): (() => void) => {
    this.#listeners.add(callback);
    return () => void this.#listeners.delete(callback);
  };

  get listeners(): number {
    return this.#listeners.size;
  }

  lockUser(user: string): void {
    this.locks.push({
      kind: 'lock',
      version: 'v2',
      metadata: { name: 'l1' },
      spec: { target: { user }, message: 'gone rogue' },
    });
    for (const listener of this.#listeners) listener();
  }

  decide(
    database: Database,
    request: AccessRequest & { readonly goesOn?: boolean },
    certificate: VerifiedCertificate<UserIdentity>,
    nowMs: number,
  ): Grant | Denial {
    this.decisions += 1;
    if (this.throws) throw new Error('look-up failed');
    const role: Role = {
      kind: 'role',
      version: 'v8',
      metadata: { name: 'access' },
      spec: { options: this.options, allow: this.allow, deny: {} },
    };
    return authorize({
      identity: certificate.identity,
      certificate,
      goesOn: request.goesOn === true,
      roleByName: (name) => (name === 'access' ? role : undefined),
      database,
      databaseUser: request.databaseUser,
      databaseName: request.databaseName,
      replication: request.replication,
      locks: this.locks,
      locksAgeMs: 0,
      nowMs,
      clientAddress: '127.0.0.1',
      preference: {
        kind: 'cluster_auth_preference',
        version: 'v2',
        metadata: { name: 'cluster-auth-preference' },
        spec: {
          type: 'local',
          second_factors: ['otp'],
          locking_mode: 'best_effort',
          require_session_mfa: false,
          default_session_ttl: 3_600_000,
          allow_local_auth: true,
          allow_passwordless: true,
          session_mfa_ttl: 300_000,
          web_idle_timeout: 3_600_000,
        },
      },
    });
  }
}

/** What a Grant says of a session that nothing restricts, and a policy that lets it use every database name. */
export function openPolicy(): Pick<RelaySession, 'options' | 'mayUse' | 'ids' | 'elsewhere'> {
  return {
    options: {
      disconnectExpiredCert: false,
      requireSessionMfa: false,
      pinSourceIp: false,
      locking: 'best_effort',
      replicationAllowed: false,
      localInfileAllowed: false,
    },
    mayUse: () => undefined,
    ids: new SessionIds().of('alice', 'orders'),
    elsewhere: nowhere,
  };
}

/** A session that can ask no other agent. */
export const nowhere: SessionsElsewhere = {
  canAsk: false,
  ask: () => {
    throw new Error('asked');
  },
};

export const sessionLimits: SessionLimits = {
  maxAuditedStatementBytes: 4096,
  maxAuditedValuesBytes: 4096,
  maxPreparedStatements: 100,
  maxPipelinedStatements: 4096,
  acceptTimeoutMs: 10_000,
  maxStartupBytes: 10_000,
};

export type PartsOptions = {
  readonly engine: Engine;
  readonly client: Channel;
  readonly clock: Clock;
  readonly recorder: MemoryRecorder;
  readonly target: DatabaseTarget;
  readonly policy?: Policy;
  readonly identity?: UserIdentity;
  readonly certificateLifeMs?: number;
  readonly overrides?: Partial<SessionParts>;
};

/** Everything for one session; `overrides` win. */
export function sessionParts(options: PartsOptions): SessionParts {
  const { engine, client, clock, recorder, target } = options;
  const policy = options.policy ?? new Policy();
  const identity = options.identity ?? alice;
  const certificate = certificateOf(identity, clock.now() + (options.certificateLifeMs ?? 3_600_000));
  return {
    engine,
    client,
    sessionId: recorder.sessionId,
    certificate,
    route: identity.route ?? { service: 'orders', protocol: 'postgres' },
    database: target.database,
    target,
    decide: (request, goesOn) => policy.decide(target.database, { ...request, goesOn }, certificate, clock.now()),
    openRecorder: () => recorder,
    onPolicyChange: policy.onChange,
    admitted: () => () => {},
    connections: new ConnectionCounts(),
    cancelKeys: new CancelKeys(0x123),
    ids: new SessionIds(),
    elsewhere: nowhere,
    signal: new AbortController().signal,
    limits: sessionLimits,
    clock,
    log: silentLog,
    instruments: createInstruments(new Metrics(), { version: '0', service: 'test' }),
    ...options.overrides,
  };
}
