import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LiveSession, LiveSessionSchema, ReportSessionsRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { LimitError } from '../../errors.ts';
import type { Clock } from '../../telemetry/clock.ts';

/** A live session as its agent told it last. */
export type KnownSession = MessageInitShape<typeof LiveSessionSchema> & {
  readonly sessionId: string;
  readonly user: string;
};

/**
 * The sessions that go on now, as agents tell: in memory, an agent's own alone, forgotten when it says nothing for a while. What is shown here entitles to nothing: locks end
 * sessions, by their id, at the agent that has them.
 */
export class SessionBoard {
  readonly #clock: Clock;
  readonly #agents = new Map<string, Agent>();
  #watchers = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes a part of a picture of the agent `hostId`; the picture counts when its last part is here. Returns when the next one is wanted, in milliseconds. Throws LimitError
   * `SESSIONS_TOO_MANY`.
   */
  report(hostId: string, { picture, last, sessions }: ReportSessionsRequest): number {
    const nowMs = this.#clock.monotonic();
    const agent = this.#agents.get(hostId) ?? {
      sessions: new Map(),
      takenMs: nowMs,
      heardMs: nowMs,
      coming: undefined,
    };
    agent.heardMs = nowMs;
    this.#agents.set(hostId, agent);
    this.#forgetSilent();
    if (agent.coming?.picture !== picture) agent.coming = { picture, sessions: new Map(), characters: 0 };
    const { coming } = agent;
    const refuse = (what: string): LimitError => {
      agent.coming = undefined;
      return new LimitError('SESSIONS_TOO_MANY', `an agent tells of more than ${what} of live sessions`);
    };
    if (coming.sessions.size + sessions.length > MAX_SESSIONS_OF_AGENT)
      throw refuse(`maxSessionsOfAgent ${MAX_SESSIONS_OF_AGENT}`);
    const seconds = (nowMs - agent.takenMs) / 1000;
    for (const session of sessions) {
      if (!SESSION_ID.test(session.sessionId)) continue;
      const known = taken(hostId, session, agent.sessions.get(session.sessionId), seconds);
      coming.characters += charactersOf(known);
      if (coming.characters > MAX_CHARACTERS_OF_AGENT) throw refuse(`maxSessionTextOfAgent ${MAX_CHARACTERS_OF_AGENT}`);
      coming.sessions.set(session.sessionId, known);
    }
    if (last) {
      agent.sessions = coming.sessions;
      agent.takenMs = nowMs;
      agent.coming = undefined;
      this.#tell();
    }
    return this.#watchers > 0 || nowMs - this.#lookedAtMs < LOOKING_MS ? WATCHED_MS : UNWATCHED_MS;
  }

  /** Every session, the newest first. Who asks is shown fresher pictures for a while. */
  list(): readonly KnownSession[] {
    this.#lookedAtMs = this.#clock.monotonic();
    this.#forgetSilent();
    return [...this.#agents.values()]
      .flatMap((agent) => [...agent.sessions.values()])
      .toSorted((a, b) => ((a.started ?? '') < (b.started ?? '') ? 1 : -1));
  }

  /** Agents report more often until the result is called. Throws LimitError `SESSION_WATCHERS`. */
  watch(): () => void {
    if (this.#watchers >= MAX_WATCHERS)
      throw new LimitError('SESSION_WATCHERS', `more than maxSessionWatchers ${MAX_WATCHERS} watch the live sessions`);
    this.#watchers += 1;
    let watching = true;
    return () => {
      if (watching) this.#watchers -= 1;
      watching = false;
    };
  }

  /** Counts the changes. */
  get version(): number {
    return this.#version;
  }

  /** Resolves when the version is another one than `seen`, or the signal aborts. */
  changed(seen: number, signal: AbortSignal): Promise<void> {
    if (this.#version !== seen || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #tell(): void {
    this.#version += 1;
    for (const done of this.#waiting) done();
  }

  #forgetSilent(): void {
    const nowMs = this.#clock.monotonic();
    for (const [hostId, agent] of this.#agents) if (nowMs - agent.heardMs > SILENT_MS) this.#agents.delete(hostId);
  }
}

type Agent = {
  sessions: Map<string, KnownSession>;
  /** When the picture in `sessions` was complete. */
  takenMs: number;
  heardMs: number;
  coming: { readonly picture: bigint; readonly sessions: Map<string, KnownSession>; characters: number } | undefined;
};

/** Bounded, in the agent's own name, with rates since the picture before. */
function taken(hostId: string, told: LiveSession, before: KnownSession | undefined, seconds: number): KnownSession {
  const bytes = told.bytesFromClient + told.bytesFromDatabase;
  const bytesBefore = BigInt(before?.bytesFromClient ?? 0) + BigInt(before?.bytesFromDatabase ?? 0);
  return {
    sessionId: told.sessionId,
    user: short(told.user),
    databaseService: short(told.databaseService),
    protocol: short(told.protocol),
    databaseUser: short(told.databaseUser),
    databaseName: short(told.databaseName),
    clientAddress: short(told.clientAddress),
    started: short(told.started),
    agentHostId: hostId,
    proxyHostId: short(told.proxyHostId),
    statements: told.statements,
    bytesFromClient: told.bytesFromClient,
    bytesFromDatabase: told.bytesFromDatabase,
    currentStatement: short(told.currentStatement, MAX_STATEMENT),
    since: short(told.since),
    idle: told.idle,
    statementsPerSecond: rate(told.statements - BigInt(before?.statements ?? 0), seconds),
    bytesPerSecond: rate(bytes - bytesBefore, seconds),
    clientProgram: short(told.clientProgram),
  };
}

function rate(count: bigint, seconds: number): number {
  return seconds <= 0 ? 0 : Math.max(0, Math.round((Number(count) / seconds) * 10) / 10);
}

// A copy: a slice would keep the whole text alive behind it, megabytes for each session.
function short(text: string, max = MAX_TEXT): string {
  return text.length <= max ? text : Buffer.from(text.slice(0, max)).toString();
}

function charactersOf(session: KnownSession): number {
  return Object.values(session).reduce<number>(
    (sum, value) => (typeof value === 'string' ? sum + value.length : sum),
    0,
  );
}

const SESSION_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAX_TEXT = 512;
const MAX_STATEMENT = 1024;
/** Above what an agent can be configured to serve. Some 10 MB as agents tell them; an agent that lies gets no more than the text below. */
const MAX_SESSIONS_OF_AGENT = 20_000;
/** In all texts of a picture, UTF-16 units: every session with a statement in full length. */
const MAX_CHARACTERS_OF_AGENT = 32 * 1024 * 1024;
const MAX_WATCHERS = 200;
const SILENT_MS = 30_000;
/** One look is often followed by another. */
const LOOKING_MS = 15_000;
const WATCHED_MS = 1000;
const UNWATCHED_MS = 10_000;
