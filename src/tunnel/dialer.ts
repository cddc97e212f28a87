import type { Duplex } from 'node:stream';
import { type AnnouncementLimits, DEFAULT_ANNOUNCEMENT_LIMITS, encodeAnnouncement } from './announcement.ts';
import { type BackoffOptions, DEFAULT_BACKOFF } from './backoff.ts';
import { type CancelMessage, decodeCancel } from './cancel.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import { encodeKill, firstKillAnswer, type KillAnswer, type KillMessage, takeKill } from './kill.ts';
import { DEFAULT_MUX_LIMITS, type MuxLimits, newTunnelCounters, type TunnelCounters } from './limits.ts';
import { ProxyLink, type ProxyLinkStatus } from './proxy-link.ts';
import {
  STREAM_PURPOSE,
  type Announcement,
  type IncomingStream,
  type RejectReason,
  type TunnelStream,
} from './tunnel.ts';

/** A client's session that a proxy opened: answer once, with `accept` or `reject`. Data that the client sent early is kept meanwhile. */
export type IncomingSession = {
  /** The signed session opening (src/pki/opening.ts), a copy. */
  readonly opening: Buffer;
  /** The address the proxy was dialled at; for the log. */
  readonly proxyAddress: string;
  accept(): TunnelStream;
  /** `retry-elsewhere` lets the proxy try the next agent that serves the database. `message` is for the proxy's log only. */
  reject(reason: RejectReason, message: string): void;
};

export type DialerOptions = {
  /** Opens one authenticated connection (`dialTunnel` of dial.ts, or a test's pipe). Rejects when it can not; aborted by `signal`. */
  readonly connect: (address: string, signal: AbortSignal) => Promise<Duplex>;
  /** What to tell the proxies, asked at each connect and change. `draining` is overruled once `drain` was called. */
  readonly announcement: () => Announcement;
  readonly onSession: (session: IncomingSession) => void;
  readonly onCancel: (message: CancelMessage) => void;
  /** Another agent was asked for a session that may be here. Nothing in it is verified, and copies come through every proxy. The result is answered, undefined is not. */
  readonly onKill: (message: KillMessage, proxyAddress: string) => KillAnswer | undefined;
  readonly clock: Clock;
  /** 0 to below 1; for jitter only. */
  readonly random: () => number;
  /** Told of each change of a link, for the log. Addresses only, never secrets. */
  readonly onLink?: (status: ProxyLinkStatus) => void;
  readonly onFault?: (error: unknown) => void;
  readonly limits?: MuxLimits;
  readonly announcementLimits?: AnnouncementLimits;
  readonly backoff?: BackoffOptions;
  readonly counters?: TunnelCounters;
  /** Changes within so many milliseconds are announced together. Default 100. */
  readonly announceDebounceMs?: number;
};

/**
 * The agent's end: keeps one tunnel to every proxy of a list that may change, reconnects with jittered backoff, tells each what the agent
 * serves, and hands their sessions and cancel requests to the callbacks. Create, then `setProxies`; nothing is dialled before.
 */
export class Dialer {
  readonly counters: TunnelCounters;
  readonly #options: DialerOptions;
  readonly #links = new Map<string, ProxyLink>();
  #debounce: Timer | undefined;
  #draining = false;
  #closed = false;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.counters = options.counters ?? newTunnelCounters();
  }

  /** The proxies' addresses (`host:port`). A new one is dialled; one that is gone loses its tunnel when its last session ended. */
  setProxies(addresses: readonly string[]): void {
    if (this.#closed) return;
    const wanted = new Set(addresses);
    for (const [address, link] of this.#links) {
      if (wanted.has(address)) continue;
      this.#links.delete(address);
      link.retire();
    }
    for (const address of wanted) {
      if (!this.#links.has(address)) this.#links.set(address, this.#makeLink(address));
    }
  }

  /** Call when what `announcement()` would say has changed; told to every proxy, debounced. */
  announce(): void {
    if (this.#closed || this.#debounce !== undefined) return;
    this.#debounce = this.#options.clock.after(this.#options.announceDebounceMs ?? 100, () => this.#announceNow());
  }

  /** Tells every proxy at once that no new sessions are wanted; live ones go on. The owner then waits for its sessions and calls `close`. */
  drain(): void {
    if (this.#draining || this.#closed) return;
    this.#draining = true;
    this.#debounce?.cancel();
    this.#announceNow();
  }

  /** Ends every tunnel and every stream, and dials no more. */
  close(): void {
    this.#closed = true;
    this.#debounce?.cancel();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  /**
   * Asks the other agents, through every proxy that is connected, for a session that is not here. Resolves with the first answer, undefined when there is none within AGENT_KILL_ANSWER_MS; never
   * rejects.
   */
  kill(message: KillMessage): Promise<KillAnswer | undefined> {
    const header = encodeKill(message);
    return firstKillAnswer([...this.#links.values()].map((link) => link.kill(header)));
  }

  /** Each link's state now, in the order of the list. */
  status(): readonly ProxyLinkStatus[] {
    return [...this.#links.values()].map((link) => link.status());
  }

  /** Tunnels that are up, draining ones too. */
  get connectedCount(): number {
    return this.status().filter((link) => link.state === 'connected' || link.state === 'draining').length;
  }

  #announceNow(): void {
    this.#debounce = undefined;
    for (const link of this.#links.values()) link.announce();
  }

  #announcement(): Buffer {
    const announcement = this.#options.announcement();
    return encodeAnnouncement(this.#draining ? { ...announcement, draining: true } : announcement);
  }

  #makeLink(address: string): ProxyLink {
    const { connect, clock, random, onLink, onFault, limits, backoff } = this.#options;
    return new ProxyLink(address, {
      connect,
      clock,
      random,
      backoff: backoff ?? DEFAULT_BACKOFF,
      limits: limits ?? DEFAULT_MUX_LIMITS,
      maxAnnouncementBytes: (this.#options.announcementLimits ?? DEFAULT_ANNOUNCEMENT_LIMITS).maxAnnouncementBytes,
      counters: this.counters,
      announcement: () => this.#announcement(),
      onStream: (stream) => this.#onStream(stream, address),
      onChange: (status) => onLink?.(status),
      onFault: (error) => onFault?.(error),
    });
  }

  #onStream(stream: IncomingStream, proxyAddress: string): void {
    const purpose = stream.header[0];
    const rest = stream.header.subarray(1);
    if (purpose === STREAM_PURPOSE.session) {
      this.#options.onSession({
        opening: rest,
        proxyAddress,
        accept: () => stream.accept(),
        reject: (reason, message) => stream.reject(reason, message),
      });
    } else if (purpose === STREAM_PURPOSE.cancel) {
      // One-way: nothing is answered, so that a cancel request tells its sender nothing.
      const message = decodeCancel(rest);
      stream.accept().end();
      this.#options.onCancel(message);
    } else if (purpose === STREAM_PURPOSE.kill) {
      const { clock, onKill } = this.#options;
      takeKill(stream, clock, (message) => Promise.resolve(onKill(message, proxyAddress)));
    } else {
      stream.reject('protocol-error', 'unknown stream purpose');
    }
  }
}
