import { lockInForce } from '../../access/locks.ts';
import type { Lock } from '../../resource/resource.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import type { TunnelStream } from '../../tunnel/tunnel.ts';
import type { Channel } from '../../wire/channel.ts';
import { LoginError, UpstreamError } from '../../errors.ts';
import { lockSubjectOf, type RoutedCertificate } from './admission.ts';
import { splice, type SpliceCounters } from './splice.ts';

export type LiveSessionsOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Pick<Instruments, 'proxyActiveConnections'>;
  /** How long an agent may take to end a locked session in the protocol's words before the proxy cuts it; asked at each lock. */
  readonly lockGraceMs: () => number;
  /** How long a client may take to read what is left and to leave after its agent ended the session. Default 30,000. */
  readonly lingerMs?: number;
};

export type SessionStart = {
  readonly sessionId: string;
  readonly certificate: RoutedCertificate;
  readonly client: Channel;
  readonly stream: TunnelStream;
  readonly agentHostId: string;
  readonly clientAddress: string;
  /** Runs out unless the client says something; cancelled here when it does. */
  readonly silence: Timer;
  readonly earlyBytes: number;
};

type Live = SessionStart & {
  readonly counters: SpliceCounters;
  readonly sinceMs: number;
  timer: Timer | undefined;
  cut: boolean;
};

/** The sessions that are being relayed. */
export class LiveSessions {
  readonly #options: LiveSessionsOptions;
  readonly #live = new Set<Live>();
  #onEmpty: (() => void)[] = [];

  constructor(options: LiveSessionsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#live.size;
  }

  /** Joins a client and the stream that its agent accepted; owns both from now on. */
  begin(start: SessionStart): void {
    const live: Live = {
      ...start,
      counters: { forward: start.earlyBytes, backward: 0 },
      sinceMs: this.#options.clock.monotonic(),
      timer: undefined,
      cut: false,
    };
    this.#live.add(live);
    this.#options.instruments.proxyActiveConnections.value += 1;
    this.#log(live, {}, 'session joined');
    if (start.earlyBytes > 0) start.silence.cancel();
    splice(this.#noticed(live), start.stream, {
      counters: live.counters,
      onHalf: (ended) => {
        if (ended === 'b') this.#linger(live);
      },
      onOver: (error) => this.#over(live, error),
    });
  }

  /** Call when locks changed: a locked session that its agent has not ended in time is cut. */
  checkLocks(locks: Iterable<Lock>): void {
    const inForce = [...locks];
    const nowMs = this.#options.clock.now();
    for (const live of this.#live) {
      const { sessionId, agentHostId: serverId } = live;
      const hit = lockInForce(inForce, { ...lockSubjectOf(live.certificate), serverId, sessionId }, nowMs);
      if (hit === undefined || live.cut) continue;
      live.cut = true;
      live.timer?.cancel();
      live.timer = this.#options.clock.after(this.#options.lockGraceMs(), () => {
        this.#options.log.warn(
          { sid: live.sessionId, agent: live.agentHostId },
          'cut a locked session that its agent did not end',
        );
        live.stream.destroy();
        live.client.destroy(new LoginError('SESSION_LOCKED', hit.message));
      });
    }
  }

  /** Resolves when the last session ended, or `timeoutMs` passed; then those that are left are cut. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#live.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.after(timeoutMs, resolve);
        this.#onEmpty.push(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    const reason = new UpstreamError('PROXY_SHUTDOWN', 'the proxy shuts down');
    for (const live of this.#live) {
      live.stream.destroy(reason);
      live.client.destroy(reason);
    }
  }

  /** The client's channel, with its first byte noticed. */
  #noticed(live: Live): Channel {
    const { client, silence } = live;
    if (live.earlyBytes > 0) return client;
    let first = true;
    return {
      write: (bytes) => client.write(bytes),
      end: () => client.end(),
      destroy: (reason) => client.destroy(reason),
      consumed: (count) => client.consumed(count),
      get congested() {
        return client.congested;
      },
      receive: (receiver) => {
        if (receiver === undefined) {
          client.receive(undefined);
          return;
        }
        client.receive({
          ...receiver,
          data: (chunk) => {
            if (first) silence.cancel();
            first = false;
            receiver.data(chunk);
          },
        });
      },
    };
  }

  #linger(live: Live): void {
    live.timer?.cancel();
    live.timer = this.#options.clock.after(this.#options.lingerMs ?? 30_000, () => {
      live.stream.destroy();
      live.client.destroy();
    });
  }

  #over(live: Live, error: Error | undefined): void {
    live.timer?.cancel();
    live.silence.cancel();
    this.#live.delete(live);
    this.#options.instruments.proxyActiveConnections.value -= 1;
    const seconds = Math.round(this.#options.clock.monotonic() - live.sinceMs) / 1000;
    const { forward, backward } = live.counters;
    this.#log(
      live,
      { seconds, bytes_from_client: forward, bytes_from_database: backward, reason: error?.message },
      'session ended',
    );
    if (this.#live.size > 0) return;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const tell of waiting) tell();
  }

  #log(live: Live, fields: Record<string, unknown>, message: string): void {
    const { user, route } = live.certificate.identity;
    this.#options.log.info(
      {
        sid: live.sessionId,
        user,
        db_service: route.service,
        agent: live.agentHostId,
        client: live.clientAddress,
        ...fields,
      },
      message,
    );
  }
}
