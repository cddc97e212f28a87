import { engineOf } from '../../engine/registry.ts';
import type { Database, DatabaseServer } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Announcement } from '../../tunnel/tunnel.ts';
import type { Health } from './health.ts';
import type { ServedDatabase } from './databases.ts';
import { ToldAgain } from './told-again.ts';

/** What one heartbeat says; the caller sends it (Heartbeat) and returns when Auth wants the next. */
export type HeartbeatMessage = { readonly servers: readonly DatabaseServer[]; readonly removed: readonly string[] };

export type HeartbeatOptions = {
  readonly send: (message: HeartbeatMessage) => Promise<{ readonly nextSeconds: number }>;
  readonly servers: () => readonly DatabaseServer[];
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
  /** Auth took a heartbeat with databases that it had not been told before: `knows` has them now. */
  readonly onKnown?: () => void;
};

/** Tells Auth again and again what this agent serves and how it is; soon after each change too. Presence is for lists: routing does not wait for it. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #telling: ToldAgain;
  #told = new Set<string>();
  /** When Auth last took one, by `clock.monotonic()`. */
  lastSuccessMs: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    const { clock, random, log } = options;
    this.#telling = new ToldAgain({
      tell: () => this.#beat(),
      changeDelayMs: () => (this.lastSuccessMs === undefined && this.#telling.failures === 0 ? 0 : changeDelayMs),
      retryMs,
      maxRetryMs,
      onFailure: (reason) => log.warn({ reason }, 'the auth service did not take the heartbeat; trying again'),
      clock,
      random,
    });
  }

  /** Something changed: tell soon, several changes together; at once when Auth was told nothing yet. */
  changed(): void {
    this.#telling.changed();
  }

  /** Auth was told that this agent serves the database, so it gives credentials for it. */
  knows(databaseName: string): boolean {
    return this.#told.has(databaseName);
  }

  /** Tells Auth that nothing is served any more, once; a failure is not repeated. */
  async goodbye(): Promise<void> {
    this.close();
    if (this.#told.size === 0) return;
    await this.#options.send({ servers: [], removed: [...this.#told] });
  }

  close(): void {
    this.#telling.close();
  }

  async #beat(): Promise<number> {
    const { send, servers, random, clock } = this.#options;
    const list = servers();
    const names = new Set(list.map((server) => server.spec.database.metadata.name));
    const removed = [...this.#told].filter((name) => !names.has(name));
    const { nextSeconds } = await send({ servers: list, removed });
    const isNew = [...names].some((name) => !this.#told.has(name));
    this.#told = names;
    if (isNew) this.#options.onKnown?.();
    this.lastSuccessMs = clock.monotonic();
    return Math.min(Math.max(nextSeconds * 1000, minIntervalMs), maxIntervalMs) * (0.9 + 0.2 * random());
  }
}

/** The presence of one database at one agent, without what is only the agent's business. */
export function databaseServerOf(
  served: ServedDatabase,
  host: { readonly hostId: string; readonly hostName: string },
  health: Health,
): DatabaseServer {
  const { database, origin } = served;
  const { password_file: _agentOnly, ...spec } = database.spec;
  const { labels, name } = database.metadata;
  return {
    kind: 'db_server',
    version: 'v3',
    metadata: { name: `${host.hostId}/${name}`, ...(labels === undefined ? {} : { labels }) },
    spec: {
      host_id: host.hostId,
      host_name: host.hostName,
      database: { ...database, spec },
      origin,
      health: {
        status: health.status,
        ...(health.message === undefined ? {} : { message: health.message }),
        ...(health.since === undefined ? {} : { since: health.since }),
      },
      ...(health.server?.serverVersion === undefined ? {} : { server_version: health.server.serverVersion }),
    },
  };
}

/** What proxies are told of one database. Of its server only where a proxy must greet before it knows the database: others have no use for it. */
export function announcedDatabase({ metadata, spec }: Database, health: Health): Announcement['databases'][number] {
  const { status, server } = health;
  const speaksFirst = server !== undefined && engineOf(spec.protocol).serverFirst !== undefined;
  return {
    name: metadata.name,
    protocol: spec.protocol,
    health: status,
    ...(speaksFirst ? { server } : {}),
  };
}

const changeDelayMs = 500;
const minIntervalMs = 5000;
const maxIntervalMs = 300_000;
const retryMs = 1000;
const maxRetryMs = 30_000;
