import type { Duplex } from 'node:stream';
import { AnnouncementReader, type AnnouncementLimits } from './announcement.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import type { MuxLimits, TunnelCounters } from './limits.ts';
import { type KillAnswer, killAnswered, type OnKill, PROXY_KILL_ANSWER_MS, takeKill } from './kill.ts';
import { Mux } from './mux.ts';
import { sendOneWay } from './one-way.ts';
import {
  STREAM_PURPOSE,
  type AnnouncedServer,
  type Announcement,
  type IncomingStream,
  type TunnelStream,
} from './tunnel.ts';

/** Who dialled, out of its verified host certificate. */
export type AgentIdentity = { readonly hostId: string; readonly hostName: string; readonly address: string };

/** One agent's tunnel as a session sees it. */
export interface AgentConnection {
  readonly agent: AgentIdentity;
  /** The last announcement; undefined until the first came. */
  readonly announcement: Announcement | undefined;
  /** No new sessions: the agent said so, or a newer tunnel of the same agent took its place. */
  readonly draining: boolean;
  readonly closed: boolean;
  /** Opens a stream: `purpose` is a value of STREAM_PURPOSE, `header` its own part. See `Mux.open` for what happens when it can not. */
  open(purpose: number, header: Uint8Array): TunnelStream;
}

export type AgentTunnelOptions = {
  readonly agent: AgentIdentity;
  readonly clock: Clock;
  readonly limits: MuxLimits;
  readonly announcementLimits: AnnouncementLimits;
  readonly counters: TunnelCounters;
  readonly onAnnounced: () => void;
  readonly onKill: OnKill;
  readonly onClose: (error: Error | undefined) => void;
  readonly onFault: (error: unknown) => void;
};

type Health = Announcement['databases'][number]['health'];

/** How often a replaced tunnel looks whether its last session ended. */
const REPLACED_CHECK_MS = 1000;

/** One agent's tunnel at the proxy. */
export class AgentTunnel implements AgentConnection {
  readonly agent: AgentIdentity;
  readonly #options: AgentTunnelOptions;
  readonly #mux: Mux;
  #announcement: Announcement | undefined;
  #health = new Map<string, Health>();
  #announcing: TunnelStream | undefined;
  #replaced = false;
  #alarm: Timer | undefined;

  constructor(socket: Duplex, options: AgentTunnelOptions) {
    this.agent = options.agent;
    this.#options = options;
    this.#mux = new Mux(socket, {
      side: 'proxy',
      limits: options.limits,
      clock: options.clock,
      counters: options.counters,
      onStream: (stream) => this.#onStream(stream),
      onClose: (error) => {
        this.#alarm?.cancel();
        options.onClose(error);
      },
      onFault: options.onFault,
    });
  }

  get announcement(): Announcement | undefined {
    return this.#announcement;
  }
  get draining(): boolean {
    return this.#replaced || this.#mux.draining || this.#announcement?.draining === true;
  }
  get closed(): boolean {
    return this.#mux.closed;
  }

  /** The announced health of a database; undefined when the agent does not serve it. */
  health(databaseName: string): Health | undefined {
    return this.#health.get(databaseName);
  }

  /** What the agent announced of the servers that speak `protocol`, databases of which nothing is known left out. */
  servers(protocol: string): readonly AnnouncedServer[] {
    const databases = this.#announcement?.databases ?? [];
    return databases.flatMap((one) => (one.protocol === protocol && one.server !== undefined ? [one.server] : []));
  }

  open(purpose: number, header: Uint8Array): TunnelStream {
    const whole = Buffer.allocUnsafe(1 + header.length);
    whole[0] = purpose;
    whole.set(header, 1);
    return this.#mux.open(whole);
  }

  /** Sends a whole opening header that needs no answer, as a cancel request's. */
  tell(header: Uint8Array): void {
    sendOneWay(this.#mux, header);
  }

  /** Sends the whole opening header of a KILL; resolves with the agent's answer, or without one after PROXY_KILL_ANSWER_MS at the latest. */
  kill(header: Uint8Array): Promise<KillAnswer | undefined> {
    return killAnswered(this.#mux.open(header), this.#options.clock, PROXY_KILL_ANSWER_MS);
  }

  /** A newer tunnel of the agent is here: this one ends after its last session. */
  replaced(): void {
    this.#replaced = true;
    this.#mux.drain();
    this.#closeWhenIdle();
  }

  /** Tells the agent that this proxy is going away. */
  drain(): void {
    this.#mux.drain();
  }

  close(): void {
    this.#mux.close();
  }

  #closeWhenIdle(): void {
    const sessions = this.#mux.streamCount - (this.#announcing === undefined ? 0 : 1);
    if (sessions <= 0) this.#mux.close();
    else this.#alarm = this.#options.clock.after(REPLACED_CHECK_MS, () => this.#closeWhenIdle());
  }

  #onStream(incoming: IncomingStream): void {
    if (incoming.header[0] === STREAM_PURPOSE.kill) {
      takeKill(incoming, this.#options.clock, this.#options.onKill);
    } else if (incoming.header[0] === STREAM_PURPOSE.announce && incoming.header.length === 1) {
      this.#onAnnouncing(incoming);
    } else {
      incoming.reject('protocol-error', 'an agent opens streams to announce and to kill only');
    }
  }

  #onAnnouncing(incoming: IncomingStream): void {
    if (this.#announcing !== undefined) {
      incoming.reject('limit', 'one announcement stream a tunnel');
      return;
    }
    const stream = incoming.accept();
    this.#announcing = stream;
    stream.receive(
      new AnnouncementReader({
        limits: this.#options.announcementLimits,
        onAnnouncement: (announcement) => this.#announced(announcement),
        onConsumed: (count) => stream.consumed(count),
        onClose: () => (this.#announcing = undefined),
      }),
    );
  }

  #announced(announcement: Announcement): void {
    this.#announcement = announcement;
    this.#health = new Map(announcement.databases.map(({ name, health }) => [name, health]));
    this.#options.onAnnounced();
  }
}
