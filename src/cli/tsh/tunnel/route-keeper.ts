import type { SecureContext } from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { Clock, Timer } from '../../../telemetry/clock.ts';
import { printTime } from '../../duration.ts';
import { Cancelled, failureCode, failureText, refusalCode } from '../../failure.ts';
import { TunnelRefused } from './refusal.ts';

/** A key pair that opens one database as one user, in memory. */
export type RouteCredential = {
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
  /** Milliseconds since 1970. */
  readonly validFromMs: number;
  readonly expiresMs: number;
  /** A second factor was shown for it: it lives for minutes, and the next one needs another. */
  readonly proven: boolean;
};

export type RouteKeeperOptions = {
  /** The database's name, for what is told. */
  readonly name: string;
  /** What to type to sign in again. */
  readonly signInCommand: string;
  /** PEM: what the proxy's certificate must chain to, read again with each new certificate. */
  readonly authorities: () => readonly string[];
  /**
   * A new certificate from the session that is on disk now. Throws TesseraError: `NOT_SIGNED_IN`, `SESSION_EXPIRED` when there is none; an error with the Auth Service's code
   * `SESSION_MFA_REQUIRED` when a second factor is to be shown.
   */
  readonly issue: () => Promise<RouteCredential>;
  /** The same with a second factor, for which it asks the person; undefined where nobody can be asked. Throws Cancelled when the person wants to stop. */
  readonly prove: (() => Promise<RouteCredential>) | undefined;
  /** When the session on disk ends or ended; undefined when the person has signed out. Throws when it can not be read now. */
  readonly sessionEndsMs: () => number | undefined;
  /** Asks the person to sign in again; undefined where nobody can be asked. Throws Cancelled when the person wants to stop. */
  readonly signIn: (() => Promise<void>) | undefined;
  /** The person pressed Ctrl-C at the question. */
  readonly onCancelled: () => void;
  readonly tell: (line: string) => void;
  readonly clock: Clock;
};

/**
 * Keeps a tunnel's certificate good while it runs. Renews at three quarters of its life when the sign-in lasts longer than it does; asks for a new sign-in only when
 * that has ended; where nobody can be asked, refuses new connections and takes up a sign-in that was made elsewhere (`tsh login`) with the next one. Where each session needs a
 * second factor, it asks for one when a connection is there that needs it, which waits for the answer, and never by itself. Connections that are open are never touched.
 */
export class RouteKeeper {
  readonly #options: RouteKeeperOptions;
  #credential: RouteCredential;
  #context: SecureContext;
  #timer: Timer | undefined;
  #renewing: Promise<void> | undefined;
  #asking: Promise<void> | undefined;
  #proving: Promise<void> | undefined;
  /** The next certificate needs a second factor, as far as is known. */
  #needsProof: boolean;
  #toldProblem: string | undefined;
  #closed = false;

  constructor(first: RouteCredential, options: RouteKeeperOptions) {
    this.#options = options;
    this.#credential = first;
    this.#needsProof = first.proven;
    this.#context = this.#contextOf(first);
    this.#plan();
  }

  get expiresMs(): number {
    return this.#credential.expiresMs;
  }

  /** For one new connection. Throws TunnelRefused. */
  async context(): Promise<SecureContext> {
    if (this.#isGood()) return this.#context;
    if (this.#asking !== undefined) throw this.#refusal('answer the question in the terminal where tsh runs');
    if (this.#proving === undefined) await this.#renew();
    if (this.#isGood()) return this.#context;
    if (this.#needsProof) return this.#provenContext();
    this.#ask();
    throw this.#refusal(`in a terminal: ${this.#options.signInCommand}`);
  }

  /** Waits for the person, as long as clients do. */
  async #provenContext(): Promise<SecureContext> {
    const { prove, clock, name } = this.#options;
    if (prove === undefined) {
      const hint = 'run the tunnel in a terminal, or with --mfa-mode=browser';
      throw new TunnelRefused({
        reason: 'signed-out',
        message: `${name} needs a second factor for each session`,
        hint,
      });
    }
    this.#proving ??= this.#prove(prove).finally(() => (this.#proving = undefined));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(PROOF_WAIT_MS, resolve);
    await Promise.race([this.#proving, late]);
    timer.cancel();
    if (this.#isGood()) return this.#context;
    const message = `${name} needs a second factor for each session, and none was shown yet`;
    throw new TunnelRefused({ reason: 'signed-out', message, hint: 'show it where tsh runs, then connect again' });
  }

  /** Never rejects. */
  async #prove(prove: () => Promise<RouteCredential>): Promise<void> {
    try {
      this.#use(await prove());
    } catch (error) {
      if (error instanceof Cancelled) this.#options.onCancelled();
      else this.#options.tell(`${failureText(error).split('\n')[0]}; asked again at the next connection`);
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** The next moment at which something is to be done. */
  #plan(retryMs?: number): void {
    this.#timer?.cancel();
    // With a second factor to show there is nothing to do until somebody connects.
    if (this.#closed || this.#needsProof) return;
    this.#timer = this.#options.clock.after(retryMs ?? this.#untilDue(), () => void this.#due());
  }

  #untilDue(): number {
    const { clock, sessionEndsMs } = this.#options;
    const { validFromMs, expiresMs } = this.#credential;
    // A certificate never outlives the sign-in that it was made from: renewing one that ends with it would give the same end again.
    const canGrow = (sessionEndsMs() ?? 0) > expiresMs + MIN_GAIN_MS;
    const due = canGrow ? expiresMs - (expiresMs - validFromMs) / 4 : expiresMs - MARGIN_MS;
    return Math.max(due - clock.now(), MIN_WAIT_MS);
  }

  /** Never throws: nobody waits for it, and open connections live on whatever can not be read from disk now. */
  async #due(): Promise<void> {
    try {
      if ((this.#options.sessionEndsMs() ?? 0) <= this.#options.clock.now() + MARGIN_MS) this.#ended();
      else await this.#renew();
    } catch (error) {
      this.#tryLater(error);
    }
  }

  #ended(): void {
    if (this.#isGood()) this.#plan();
    else this.#ask();
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#issue().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #issue(): Promise<void> {
    try {
      this.#use(await this.#options.issue());
    } catch (error) {
      if (SIGNED_OUT.has(failureCode(error) ?? '')) {
        this.#needsProof = false;
        return;
      }
      if (refusalCode(error) === 'SESSION_MFA_REQUIRED') this.#needsProof = true;
      else this.#tryLater(error);
    }
  }

  #use(credential: RouteCredential): void {
    const { tell, name } = this.#options;
    if (this.#closed) return;
    this.#context = this.#contextOf(credential);
    this.#credential = credential;
    this.#needsProof = credential.proven;
    this.#toldProblem = undefined;
    tell(`certificate for ${name} renewed, good until ${printTime(credential.expiresMs)}`);
    this.#plan();
  }

  #tryLater(error: unknown): void {
    const { tell, name } = this.#options;
    const problem = failureText(error).split('\n')[0] ?? '';
    if (problem !== this.#toldProblem)
      tell(`the certificate for ${name} can not be renewed: ${problem}; trying again every ${RETRY_MS / 1000} s`);
    this.#toldProblem = problem;
    this.#plan(RETRY_MS);
  }

  /** Says that the sign-in has ended, once; then asks, when somebody is there. */
  #ask(): void {
    if (this.#asking !== undefined || this.#closed) return;
    const { signIn, tell, signInCommand } = this.#options;
    if ((this.#options.sessionEndsMs() ?? 0) > this.#options.clock.now() + MARGIN_MS) return;
    const first = this.#toldProblem !== ENDED;
    this.#toldProblem = ENDED;
    if (signIn === undefined) {
      if (first) tell(`${ENDED}; new connections are refused until somebody types: ${signInCommand}`);
      return;
    }
    tell(`${ENDED}; new connections are refused until you sign in again`);
    this.#asking = this.#signIn(signIn).finally(() => (this.#asking = undefined));
  }

  async #signIn(signIn: () => Promise<void>): Promise<void> {
    try {
      await signIn();
      await this.#renew();
    } catch (error) {
      if (error instanceof Cancelled) this.#options.onCancelled();
      else this.#options.tell(`${failureText(error).split('\n')[0]}; asked again at the next connection`);
    }
  }

  #isGood(): boolean {
    const { clock, sessionEndsMs } = this.#options;
    return clock.now() + MARGIN_MS < this.#credential.expiresMs && sessionEndsMs() !== undefined;
  }

  #contextOf(credential: RouteCredential): SecureContext {
    return createSecureContext({
      cert: credential.certificate,
      key: credential.privateKey,
      ca: [...this.#options.authorities()],
      minVersion: 'TLSv1.3',
    });
  }

  #refusal(hint: string): TunnelRefused {
    const known = this.#toldProblem;
    const signedOut = known === undefined || known === ENDED;
    return new TunnelRefused({
      reason: signedOut ? 'signed-out' : 'denied',
      message: signedOut
        ? ENDED
        : `the certificate for ${this.#options.name} has ended and can not be renewed: ${known}`,
      hint: signedOut ? hint : 'see what tsh says where the tunnel runs',
    });
  }
}

const ENDED = 'the sign-in has ended';
const SIGNED_OUT: ReadonlySet<string> = new Set(['NOT_SIGNED_IN', 'SESSION_EXPIRED']);
/** A certificate in its last seconds is not used for something new. */
const MARGIN_MS = 5000;
/** Certificates hold whole seconds. */
const MIN_GAIN_MS = 2000;
const MIN_WAIT_MS = 1000;
const RETRY_MS = 30_000;
/** How long a connection waits for a second factor: about as long as clients do. */
const PROOF_WAIT_MS = 45_000;
