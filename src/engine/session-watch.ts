import type { Denial, Grant } from '../access/grant.ts';
import type { UserIdentity, VerifiedCertificate } from '../resource/identity.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import type { Refusal, RelayCounters } from './engine.ts';

export type WatchOptions = {
  readonly grant: Grant;
  /** When the person's sign-in ends ({@link signInEndsMs}); kept to only when a role says `disconnect_expired_cert`. */
  readonly certificateExpiresMs: number;
  readonly counters: RelayCounters;
  readonly clock: Clock;
  /** Asks the same question again. A throw changes nothing: the session was granted, and the next change asks again. */
  readonly decideAgain: () => Grant | Denial;
  /** Subscribes to changes of locks and roles; the result ends the subscription. */
  readonly onPolicyChange: (callback: () => void) => () => void;
  /** The service stops: aborted with a Refusal. */
  readonly shutdown: AbortSignal;
  /** Called at most once. */
  readonly end: (refusal: Refusal) => void;
};

/**
 * Watches one live session and ends it for idleness, an expired certificate, a new lock or shutdown. Holds one timer. Idle time counts only
 * while no statement runs. A change of roles that takes the access away does not cut a session: a lock does. Returns how to stop watching.
 */
export function watchSession(options: WatchOptions): () => void {
  const watch = new SessionWatch(options);
  watch.start();
  return () => watch.stop();
}

/**
 * When the sign-in behind a certificate ends, milliseconds since 1970. A certificate that was made with a second factor for its session ends within minutes, which says how soon a session must begin and not when it ends: the sign-in behind
 * it does.
 */
export function signInEndsMs({ identity, notAfterMs }: VerifiedCertificate<UserIdentity>): number {
  return identity.sessionMfa === undefined
    ? notAfterMs
    : Math.max(notAfterMs, identity.previousExpiresMs ?? notAfterMs);
}

class SessionWatch {
  readonly #options: WatchOptions;
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;
  #stopped = false;
  readonly #shutdown = (): void => this.#end(shutdownRefusal(this.#options.shutdown));

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { shutdown, onPolicyChange } = this.#options;
    if (shutdown.aborted) {
      this.#shutdown();
      return;
    }
    shutdown.addEventListener('abort', this.#shutdown, { once: true });
    this.#unsubscribe = onPolicyChange(() => this.#recheck());
    // A lock may have come between the decision and this subscription.
    this.#recheck();
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#options.shutdown.removeEventListener('abort', this.#shutdown);
  }

  #end(refusal: Refusal): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.end(refusal);
  }

  #recheck(): void {
    let decision: Grant | Denial;
    try {
      decision = this.#options.decideAgain();
    } catch {
      return;
    }
    if (!('reason' in decision) || decision.reason !== 'locked') return;
    this.#end({
      reason: 'locked',
      message: decision.message,
      ...(decision.hint === undefined ? {} : { hint: decision.hint }),
    });
  }

  #arm(): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    const wait = Math.min(this.#untilIdle(), this.#untilExpiry());
    if (wait === Number.POSITIVE_INFINITY) return;
    this.#timer = clock.after(Math.max(wait, 1), () => this.#look(), { background: true });
  }

  #look(): void {
    if (this.#untilExpiry() <= 0) {
      this.#end({
        reason: 'certificate-expired',
        message: 'your certificate expired and your role ends sessions then',
        hint: 'sign in again with tsh login',
      });
      return;
    }
    if (this.#untilIdle() <= 0) {
      const seconds = Math.round((this.#options.grant.options.idleTimeoutMs ?? 0) / 1000);
      this.#end({
        reason: 'idle',
        message: `session ended after ${seconds} s without activity`,
        hint: 'connect again; your role sets client_idle_timeout',
      });
      return;
    }
    this.#arm();
  }

  #untilIdle(): number {
    const { grant, counters, clock } = this.#options;
    const limit = grant.options.idleTimeoutMs;
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    return counters.running > 0 ? limit : counters.lastActivityMs + limit - clock.now();
  }

  #untilExpiry(): number {
    const { grant, certificateExpiresMs, clock } = this.#options;
    return grant.options.disconnectExpiredCert ? certificateExpiresMs - clock.now() : Number.POSITIVE_INFINITY;
  }
}

/** The Refusal that a shutdown signal carries, or a general one. */
export function shutdownRefusal(signal: AbortSignal): Refusal {
  const reason: unknown = signal.reason;
  if (typeof reason === 'object' && reason !== null && 'reason' in reason && 'message' in reason)
    return reason as Refusal;
  return { reason: 'shutdown', message: 'the database service is stopping', hint: 'connect again' };
}
