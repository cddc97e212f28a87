import type { AuthConfig } from '../../config/schema.ts';
import type { AuditEvent } from '../../audit/event.ts';
import type { KeySealer } from '../../pki/seal.ts';
import type { ClusterAuthPreference } from '../../resource/resource.ts';
import type { Passwords } from '../../sso/local/password.ts';
import type { CallRate } from '../../sso/local/rate.ts';
import type { Store } from '../../state/store.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import type { CountRequest, Counts } from '../../audit/count.ts';
import type { SearchPage, SearchRequest } from '../../audit/search.ts';
import type { Authorities } from './authorities.ts';
import type { ConnectorProviders } from './connector-providers.ts';
import type { Records } from './records.ts';
import type { AuthRefusals } from './refusals.ts';
import type { SessionBoard } from './session-board.ts';

/** What every method of the API works with. Made once by service.ts. */
export type AuthContext = {
  readonly clusterName: string;
  readonly version: string;
  readonly config: AuthConfig;
  readonly store: Store;
  readonly records: Records;
  readonly authorities: Authorities;
  readonly sealer: KeySealer;
  readonly audit: AuditPort;
  readonly passwords: Passwords;
  /** Of single sign-on, with what they remember of their far ends. */
  readonly providers: ConnectorProviders;
  readonly anonymousRate: CallRate;
  /** Calls that signed-in people and services may not make, by who they are. */
  readonly refusedRate: CallRate;
  /** Connections and calls whose certificate was not good. */
  readonly refusals: AuthRefusals;
  /** At most `maxSignatures` at once; some more wait. */
  readonly signatures: Slots;
  /** Open `Watch` calls, at most `maxWatches`. */
  readonly watches: Slots;
  /** The sessions that go on now, as agents tell. */
  readonly sessions: SessionBoard;
  /** Aborted when the service drains: every stream ends. */
  readonly closing: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
};

/** The audit log as Auth's methods use it. */
export interface AuditPort {
  /** One event of Auth's own; resolves when the first store has it durably. */
  emit(event: AuditEvent): Promise<void>;
  /** A host's batch; how many of its events were new. Throws ProtocolError for a batch that can never be taken. */
  ingest(zstd: Uint8Array, caller: { readonly hostId: string; readonly role: 'proxy' | 'database' }): Promise<number>;
  search(request: SearchRequest): Promise<SearchPage>;
  /** Exact figures. Throws LimitError where they would take too much. */
  count(request: CountRequest): Promise<Counts>;
  /** Matching events as they arrive, until the signal aborts. Bounded; throws LimitError when the reader is too slow. */
  follow(request: SearchRequest, signal: AbortSignal): AsyncIterable<readonly string[]>;
}

/** A counted gate. */
export class Slots {
  readonly #limit: number;
  readonly #maxWaiting: number;
  readonly #refusal: () => Error;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  /** `limit` at once; `maxWaiting` callers of `run` may wait for their turn (default none). */
  constructor(limit: number, refusal: () => Error, maxWaiting = 0) {
    this.#limit = limit;
    this.#maxWaiting = maxWaiting;
    this.#refusal = refusal;
  }

  /** Runs with a slot held, waiting in line for one. Throws the refusal when the line is full. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken < this.#limit) this.#taken += 1;
    else await this.#wait();
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  /** A slot until the result is called; never waits. Throws the refusal when all are taken. */
  take(): () => void {
    if (this.#taken >= this.#limit) throw this.#refusal();
    this.#taken += 1;
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) throw this.#refusal();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  // A slot that somebody waits for is handed on, not given back.
  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next();
  }
}

/** Writes one event of Auth's own, durably, before the call that caused it answers. */
export async function emit(context: Pick<AuthContext, 'audit'>, event: AuditEvent): Promise<void> {
  await context.audit.emit(event);
}

/** The cluster's sign-in settings; made at the first start, so always there. */
export async function preferenceOf(context: Pick<AuthContext, 'records'>): Promise<ClusterAuthPreference> {
  const [stored] = await context.records.list('cluster_auth_preference');
  return stored?.resource ?? DEFAULT_PREFERENCE;
}

/** What a new cluster begins with: local users, a one-time code demanded, certificates of 12 hours. */
export const DEFAULT_PREFERENCE: ClusterAuthPreference = {
  kind: 'cluster_auth_preference',
  version: 'v2',
  metadata: { name: 'cluster-auth-preference' },
  spec: {
    type: 'local',
    second_factors: ['otp', 'webauthn'],
    locking_mode: 'best_effort',
    require_session_mfa: false,
    default_session_ttl: 12 * 3_600_000,
    allow_local_auth: true,
    allow_passwordless: true,
    session_mfa_ttl: 5 * 60_000,
    web_idle_timeout: 3_600_000,
  },
};
