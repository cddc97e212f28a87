import type { Duplex } from 'node:stream';
import { LimitError } from '../errors.ts';
import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import type { MuxLimits, TunnelCounters } from './limits.ts';
import { AGENT_KILL_ANSWER_MS, type KillAnswer, killAnswered } from './kill.ts';
import { Mux } from './mux.ts';
import { STREAM_PURPOSE, type IncomingStream, type TunnelStream } from './tunnel.ts';

/** One tunnel as its agent sees it. `draining`: the proxy is going away and sends no new sessions; `waiting`: for the next attempt. */
export type ProxyLinkStatus = {
  readonly address: string;
  readonly state: 'connecting' | 'connected' | 'draining' | 'waiting' | 'closed';
  /** Why the last attempt or connection ended. */
  readonly error?: Error;
};

export type ProxyLinkOptions = {
  readonly connect: (address: string, signal: AbortSignal) => Promise<Duplex>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly backoff: BackoffOptions;
  readonly limits: MuxLimits;
  readonly maxAnnouncementBytes: number;
  readonly counters: TunnelCounters;
  /** The line to announce now. */
  readonly announcement: () => Buffer;
  readonly onStream: (stream: IncomingStream) => void;
  readonly onChange: (status: ProxyLinkStatus) => void;
  readonly onFault: (error: unknown) => void;
};

/** A connection that lived so long was a good one: the next wait starts small again. */
const STABLE_MS = 10_000;
/** How often a retired link looks whether its last session ended. */
const RETIRE_CHECK_MS = 1000;

/** Keeps one tunnel to one proxy address until `retire` or `close`. */
export class ProxyLink {
  readonly #address: string;
  readonly #options: ProxyLinkOptions;
  readonly #abort = new AbortController();
  #state: ProxyLinkStatus['state'] = 'connecting';
  #error: Error | undefined;
  #mux: Mux | undefined;
  #announcements: TunnelStream | undefined;
  /** The last line that was not sent because the proxy was slow: only the newest matters. */
  #announceOwed = false;
  #attempt = 0;
  #connectedAtMs = 0;
  #alarm: Timer | undefined;
  #retired = false;

  constructor(address: string, options: ProxyLinkOptions) {
    this.#address = address;
    this.#options = options;
    void this.#connect();
  }

  status(): ProxyLinkStatus {
    return { address: this.#address, state: this.#state, ...(this.#error === undefined ? {} : { error: this.#error }) };
  }

  /** Sends the announcement, or remembers to when the proxy is slow to read. */
  announce(): void {
    const stream = this.#announcements;
    if (stream === undefined) return;
    if (stream.congested) {
      this.#announceOwed = true;
      return;
    }
    this.#announceOwed = false;
    const line = this.#options.announcement();
    if (line.length > this.#options.maxAnnouncementBytes) {
      const { maxAnnouncementBytes } = this.#options;
      this.#options.onFault(
        new LimitError(
          'TUNNEL_ANNOUNCEMENT_SIZE',
          `announcement of ${line.length} bytes exceeds maxAnnouncementBytes ${maxAnnouncementBytes}`,
        ),
      );
      return;
    }
    stream.write(line);
  }

  /** Sends the whole opening header of a KILL; resolves with the answer, or without one after AGENT_KILL_ANSWER_MS at the latest, at once while the tunnel is not up. */
  async kill(header: Uint8Array): Promise<KillAnswer | undefined> {
    if (this.#mux === undefined) return undefined;
    return await killAnswered(this.#mux.open(header), this.#options.clock, AGENT_KILL_ANSWER_MS);
  }

  /** The proxy left the list: no reconnect, and the tunnel ends after its last session. */
  retire(): void {
    this.#retired = true;
    const mux = this.#mux;
    if (mux === undefined) {
      this.close();
      return;
    }
    mux.drain();
    // The announcement stream is ours, not a session.
    if (mux.streamCount <= 1) this.close();
    else this.#alarm = this.#options.clock.after(RETIRE_CHECK_MS, () => this.retire());
  }

  /** Ends the tunnel and its streams now. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#retired = true;
    this.#alarm?.cancel();
    this.#abort.abort();
    this.#change('closed');
    this.#mux?.close();
    this.#mux = undefined;
  }

  async #connect(): Promise<void> {
    this.#change('connecting');
    try {
      const socket = await this.#options.connect(this.#address, this.#abort.signal);
      if (this.#state === 'closed') socket.destroy();
      else this.#start(socket);
    } catch (error) {
      this.#lost(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #start(socket: Duplex): void {
    this.#connectedAtMs = this.#options.clock.monotonic();
    this.#error = undefined;
    this.#mux = new Mux(socket, {
      side: 'agent',
      limits: this.#options.limits,
      clock: this.#options.clock,
      counters: this.#options.counters,
      onStream: (stream) => this.#options.onStream(stream),
      onDrain: () => this.#change('draining'),
      onClose: (error) => this.#lost(error),
      onFault: (error) => this.#options.onFault(error),
    });
    this.#change('connected');
    this.#openAnnouncements(this.#mux);
  }

  #openAnnouncements(mux: Mux): void {
    const stream = mux.open(Buffer.from([STREAM_PURPOSE.announce]));
    this.#announcements = stream;
    stream.receive({
      data: (chunk) => stream.consumed(chunk.length),
      drain: () => {
        if (this.#announceOwed) this.announce();
      },
      close: (error) => {
        if (this.#announcements !== stream) return;
        this.#announcements = undefined;
        // Without announcements the proxy routes by an old picture: start anew.
        mux.close(error ?? new Error('the proxy ended the announcements'));
      },
    });
    this.announce();
  }

  #lost(error: Error | undefined): void {
    this.#mux = undefined;
    this.#announcements = undefined;
    if (this.#state === 'closed') return;
    if (this.#retired) {
      this.close();
      return;
    }
    const { clock, backoff, random } = this.#options;
    const wasStable = this.#state !== 'connecting' && clock.monotonic() - this.#connectedAtMs >= STABLE_MS;
    this.#attempt = wasStable ? 0 : this.#attempt + 1;
    this.#error = error;
    this.#change('waiting');
    this.#alarm = clock.after(backoffMs(Math.max(0, this.#attempt - 1), backoff, random), () => void this.#connect());
  }

  #change(state: ProxyLinkStatus['state']): void {
    this.#state = state;
    this.#options.onChange(this.status());
  }
}
