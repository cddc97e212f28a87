import type { SecureContext } from 'node:tls';

import type { ServerFacts } from '../../engine/engine.ts';
import { engineOf } from '../../engine/registry.ts';
import { TesseraError } from '../../errors.ts';
import type { Database } from '../../resource/resource.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { announceable } from '../../tunnel/announcement.ts';

export type Health = {
  readonly status: 'healthy' | 'unhealthy' | 'unknown';
  readonly message?: string;
  /** RFC 3339: when the status last changed. */
  readonly since?: string;
  /** What the server told of itself at the last check that reached it; before that, the version that the resource names. */
  readonly server?: ServerFacts;
};

export type HealthOptions = {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1: spreads the checks. */
  readonly random: () => number;
  readonly secureContext: (database: Database) => SecureContext;
  /** A database's status changed, or what is known of its server. */
  readonly onChange: (name: string) => void;
};

/** Looks at each served database again and again: TCP and the protocol's own handshake, without signing in. One timer a database. */
export class HealthChecks {
  readonly #options: HealthOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  of(name: string): Health {
    return this.#watched.get(name)?.health ?? { status: 'unknown' };
  }

  /** Begins with what is new or changed, at once, and forgets what is gone. */
  watch(databases: readonly Database[]): void {
    const wanted = new Map(databases.map((database) => [database.metadata.name, database]));
    for (const [name, watched] of this.#watched) {
      const database = wanted.get(name);
      if (database !== undefined && JSON.stringify(database) === JSON.stringify(watched.database)) continue;
      this.#forget(name, watched);
    }
    for (const [name, database] of wanted) {
      if (this.#watched.has(name)) continue;
      const health: Health = { status: 'unknown', ...serverOf(configuredFacts(database)) };
      const watched: Watched = { database, health, timer: undefined, abort: new AbortController() };
      this.#watched.set(name, watched);
      void this.#check(watched);
    }
  }

  close(): void {
    for (const [name, watched] of this.#watched) this.#forget(name, watched);
  }

  #forget(name: string, watched: Watched): void {
    watched.timer?.cancel();
    watched.abort.abort();
    this.#watched.delete(name);
  }

  async #check(watched: Watched): Promise<void> {
    const { database, abort } = watched;
    const { timeoutMs, secureContext, clock, intervalMs, random } = this.#options;
    let health: Health;
    try {
      const target = { connectTimeoutMs: timeoutMs, secureContext: secureContext(database) };
      const facts = await engineOf(database.spec.protocol).checkHealth(database, target, abort.signal);
      health = { status: 'healthy', ...serverOf({ ...configuredFacts(database), ...facts }) };
    } catch (error) {
      const message = error instanceof TesseraError ? error.message : 'the check failed';
      // What it is does not change because it is away.
      const { server } = watched.health;
      health = { status: 'unhealthy', message, ...(server === undefined ? {} : { server }) };
    }
    if (abort.signal.aborted) return;
    this.#settle(watched, health);
    watched.timer = clock.after(intervalMs * (0.9 + 0.2 * random()), () => void this.#check(watched), {
      background: true,
    });
  }

  #settle(watched: Watched, health: Health): void {
    const { status, message, server } = watched.health;
    if (status === health.status && message === health.message && isSame(server, health.server)) return;
    const { clock, log, onChange } = this.#options;
    const name = watched.database.metadata.name;
    const since = status === health.status ? watched.health.since : new Date(clock.now()).toISOString();
    watched.health = { ...health, ...(since === undefined ? {} : { since }) };
    if (status !== health.status)
      log.info({ db_service: name, status: health.status, reason: health.message }, 'database health changed');
    onChange(name);
  }
}

type Watched = {
  readonly database: Database;
  health: Health;
  timer: Timer | undefined;
  readonly abort: AbortController;
};

/** What the resource says of the server, until the server says it itself. */
function configuredFacts({ spec }: Database): ServerFacts {
  const serverVersion = spec.mysql?.server_version;
  return serverVersion === undefined ? {} : { serverVersion };
}

/** Within the bounds of what is told to proxies and to Auth: the server is not ours. */
function serverOf(facts: ServerFacts): { readonly server?: ServerFacts } {
  const server = announceable(facts);
  return server === undefined ? {} : { server };
}

function isSame(a: ServerFacts | undefined, b: ServerFacts | undefined): boolean {
  return a?.serverVersion === b?.serverVersion && a?.capabilities === b?.capabilities;
}
