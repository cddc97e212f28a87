import type { Duplex } from 'node:stream';
import { type AgentConnection, type AgentIdentity, AgentTunnel } from './agent-tunnel.ts';
import { type AnnouncementLimits, DEFAULT_ANNOUNCEMENT_LIMITS } from './announcement.ts';
import { type CancelMessage, encodeCancel } from './cancel.ts';
import type { Clock } from '../telemetry/clock.ts';
import { encodeKill, firstKillAnswer, type KillAnswer, type KillMessage } from './kill.ts';
import { DEFAULT_MUX_LIMITS, type MuxLimits, newTunnelCounters, type TunnelCounters } from './limits.ts';
import type { AnnouncedServer } from './tunnel.ts';

export type HubOptions = {
  readonly clock: Clock;
  /** 0 to below 1; spreads sessions over the agents of one database. */
  readonly random: () => number;
  readonly limits?: MuxLimits;
  readonly announcementLimits?: AnnouncementLimits;
  readonly counters?: TunnelCounters;
  /** Tunnels at once, replaced ones that still carry sessions too. Default 10,000. */
  readonly maxTunnels?: number;
  /** How long a database is known after its agent left. Default 1 h. */
  readonly rememberMs?: number;
  readonly onAgent?: (event: AgentEvent) => void;
  /** An agent asks for a session of another one. Nothing in it is verified. What it resolves with goes back to that agent; undefined: nothing does. Never rejects, and bounds its own time. */
  readonly onKill?: (message: KillMessage, from: AgentIdentity) => Promise<KillAnswer | undefined>;
  readonly onFault?: (error: unknown) => void;
};

/** For the log and the metrics. */
export type AgentEvent = {
  readonly type: 'connected' | 'announced' | 'replaced' | 'closed' | 'refused';
  readonly agent: AgentIdentity;
  readonly error?: Error;
};

/** The proxy's end: which agents are here and what they serve. */
export class Hub {
  readonly counters: TunnelCounters;
  readonly #options: HubOptions;
  /** The newest tunnel of each agent, by host id. */
  readonly #current = new Map<string, AgentTunnel>();
  readonly #all = new Set<AgentTunnel>();
  /** By protocol; emptied by whatever changes it. */
  readonly #servers = new Map<string, readonly AnnouncedServer[]>();
  /** Databases whose agents left, and when (`clock.monotonic()`); the oldest first. */
  readonly #left = new Map<string, number>();
  #draining = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
    this.counters = options.counters ?? newTunnelCounters();
  }

  /**
   * Takes over an authenticated connection from an agent. A second one of the same agent replaces the first, which gets no new sessions
   * and lives until its last one ends. While draining, or above `maxTunnels`, the connection is closed.
   */
  add(socket: Duplex, agent: AgentIdentity): void {
    if (this.#draining || this.#all.size >= (this.#options.maxTunnels ?? 10_000)) {
      socket.destroy();
      this.#tell({ type: 'refused', agent });
      return;
    }
    const before = this.#current.get(agent.hostId);
    const tunnel = new AgentTunnel(socket, {
      agent,
      clock: this.#options.clock,
      limits: this.#options.limits ?? DEFAULT_MUX_LIMITS,
      announcementLimits: this.#options.announcementLimits ?? DEFAULT_ANNOUNCEMENT_LIMITS,
      counters: this.counters,
      onAnnounced: () => {
        this.#servers.clear();
        this.#tell({ type: 'announced', agent });
      },
      onKill: (message) => this.#options.onKill?.(message, agent),
      onClose: (error) => this.#forget(tunnel, error),
      onFault: (error) => this.#options.onFault?.(error),
    });
    this.#all.add(tunnel);
    this.#current.set(agent.hostId, tunnel);
    this.#servers.clear();
    this.#tell({ type: 'connected', agent });
    if (before === undefined) return;
    before.replaced();
    this.#tell({ type: 'replaced', agent: before.agent });
  }

  /**
   * The tunnels to try for a database, best first: healthy, then unknown, then unhealthy ones, in random order within each; agents that
   * drain are left out. Empty when nobody serves it.
   */
  route(databaseName: string): AgentConnection[] {
    const found: { readonly tunnel: AgentTunnel; readonly rank: number; readonly lot: number }[] = [];
    for (const tunnel of this.#current.values()) {
      const health = tunnel.health(databaseName);
      if (health === undefined || tunnel.draining || tunnel.closed) continue;
      found.push({ tunnel, rank: HEALTH_RANK[health], lot: this.#options.random() });
    }
    return found.sort((a, b) => a.rank - b.rank || a.lot - b.lot).map(({ tunnel }) => tunnel);
  }

  /**
   * True when an agent here announced the database, be it draining or ill, or one that left within `rememberMs`: tells `no-agent` (pools try again) from
   * `unknown-database` (they give up).
   */
  knows(databaseName: string): boolean {
    for (const tunnel of this.#all) if (tunnel.health(databaseName) !== undefined) return true;
    const leftMs = this.#left.get(databaseName);
    return leftMs !== undefined && this.#options.clock.monotonic() - leftMs < (this.#options.rememberMs ?? 3_600_000);
  }

  /**
   * What the servers of every database of `protocol` that is announced here told of themselves, each picture once; draining agents' too, as long as they are here. Computed
   * once per change, so asking is cheap.
   */
  servers(protocol: string): readonly AnnouncedServer[] {
    const known = this.#servers.get(protocol);
    if (known !== undefined) return known;
    const different = new Map<string, AnnouncedServer>();
    for (const tunnel of this.#current.values())
      for (const server of tunnel.servers(protocol))
        different.set(`${server.capabilities ?? ''} ${server.serverVersion ?? ''}`, server);
    const servers = [...different.values()];
    this.#servers.set(protocol, servers);
    return servers;
  }

  /** The tunnels whose agent hands out cancel keys with this tag (0 to 4095); replaced and draining ones too, as their sessions live on. */
  cancelTargets(tag: number): AgentTunnel[] {
    return [...this.#all].filter((tunnel) => tunnel.announcement?.cancelTag === tag && !tunnel.closed);
  }

  /** Passes a cancel request to every target. Says nothing about what became of it. */
  cancel(tag: number, message: CancelMessage): void {
    for (const target of this.cancelTargets(tag)) target.tell(encodeCancel(message));
  }

  /**
   * Passes a KILL to every agent that announced the database, draining ones too, but the one that asks. Resolves with the first answer of any, undefined when there is none within PROXY_KILL_ANSWER_MS; never
   * rejects.
   */
  kill(databaseName: string, message: KillMessage, askedBy: string): Promise<KillAnswer | undefined> {
    const header = encodeKill(message);
    const answers: Promise<KillAnswer | undefined>[] = [];
    for (const [hostId, tunnel] of this.#current) {
      if (hostId === askedBy || tunnel.health(databaseName) === undefined) continue;
      answers.push(tunnel.kill(header));
    }
    return firstKillAnswer(answers);
  }

  /** The newest tunnel of each agent. */
  agents(): AgentConnection[] {
    return [...this.#current.values()];
  }

  /** Tells every agent that this proxy is going away; live sessions go on until `close`. */
  drain(): void {
    this.#draining = true;
    for (const tunnel of this.#all) tunnel.drain();
  }

  /** Ends every tunnel and every stream. */
  async close(): Promise<void> {
    this.#draining = true;
    if (this.#all.size === 0) return;
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    for (const tunnel of this.#all) tunnel.close();
    await empty;
  }

  #forget(tunnel: AgentTunnel, error: Error | undefined): void {
    this.#all.delete(tunnel);
    for (const { name } of tunnel.announcement?.databases ?? []) this.#remember(name);
    if (this.#current.get(tunnel.agent.hostId) === tunnel) this.#current.delete(tunnel.agent.hostId);
    this.#servers.clear();
    this.#tell({ type: 'closed', agent: tunnel.agent, ...(error === undefined ? {} : { error }) });
    if (this.#all.size === 0) this.#onEmpty?.();
  }

  #remember(databaseName: string): void {
    // Written anew so that the oldest stands first.
    this.#left.delete(databaseName);
    if (this.#left.size >= MAX_REMEMBERED) {
      const [oldest = ''] = this.#left.keys();
      this.#left.delete(oldest);
    }
    this.#left.set(databaseName, this.#options.clock.monotonic());
  }

  #tell(event: AgentEvent): void {
    this.#options.onAgent?.(event);
  }
}

/** Names of databases whose agents left; a forgotten one is `unknown-database` sooner. */
const MAX_REMEMBERED = 10_000;
const HEALTH_RANK = { healthy: 0, unknown: 1, unhealthy: 2 } as const;
