import type { Clock, Timer } from '../telemetry/clock.ts';

/** How many refusals the audit log tells one by one; from tessera.yaml. */
export type RefusalLimits = {
  /** Of one client in a minute. */
  readonly clientRefusalEventsPerMinute: number;
  /** Of all clients together in a minute. */
  readonly refusalEventsPerMinute: number;
};

/** What was counted only. */
export type LeftOut = {
  /** As given to `take`; undefined: of clients beyond the common limit, together. */
  readonly client: string | undefined;
  readonly count: number;
  /** How often each reason; reasons are codes of ours, so there are few. */
  readonly reasons: Readonly<Record<string, number>>;
};

export type RefusalBudgetOptions = {
  /** Asked at each use: they may be reloaded. */
  readonly limits: () => RefusalLimits;
  readonly clock: Clock;
  /** At the end of a minute, for each client of whom something was left out. False: it could not be recorded, and is counted with the next minute. */
  readonly onLeftOut: (leftOut: LeftOut) => boolean;
};

/**
 * Keeps whoever is refused from filling the audit log: in each minute that begins with a refusal, some are told one by one and the rest are counted. Bounded in memory and in
 * events by twice `refusalEventsPerMinute`, however many addresses an attacker has: only clients of whom something was told are remembered.
 */
export class RefusalBudget {
  readonly #options: RefusalBudgetOptions;
  readonly #clients = new Map<string, ClientCount>();
  readonly #elsewhere: Map<string, number> = new Map();
  #told = 0;
  #timer: Timer | undefined;

  constructor(options: RefusalBudgetOptions) {
    this.#options = options;
  }

  /** True: tell this one. False: it was counted. */
  take(client: string, reason: string): boolean {
    const { clientRefusalEventsPerMinute, refusalEventsPerMinute } = this.#options.limits();
    const known = this.#clients.get(client);
    const mine = known?.told ?? 0;
    if (this.#told >= refusalEventsPerMinute || mine >= clientRefusalEventsPerMinute) {
      this.leaveOut(client, reason);
      return false;
    }
    this.#begin();
    this.#told += 1;
    if (known === undefined) this.#clients.set(client, { told: 1, leftOut: new Map() });
    else known.told += 1;
    return true;
  }

  /** Counts one that was not told, for whatever cause. */
  leaveOut(client: string, reason: string): void {
    this.#begin();
    const counts = this.#clients.get(client)?.leftOut ?? this.#elsewhere;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }

  /** Says what was left out so far. */
  close(): void {
    this.#end();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #begin(): void {
    this.#timer ??= this.#options.clock.after(WINDOW_MS, () => this.#end(), { background: true });
  }

  #end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const clients = [...this.#clients];
    const elsewhere = new Map(this.#elsewhere);
    this.#clients.clear();
    this.#elsewhere.clear();
    this.#told = 0;
    for (const [client, { leftOut }] of clients) this.#say(client, leftOut);
    this.#say(undefined, elsewhere);
  }

  #say(client: string | undefined, counts: ReadonlyMap<string, number>): void {
    if (counts.size === 0) return;
    const count = counts.values().reduce((sum, one) => sum + one, 0);
    if (this.#options.onLeftOut({ client, count, reasons: Object.fromEntries(counts) })) return;
    this.#begin();
    for (const [reason, one] of counts) this.#elsewhere.set(reason, (this.#elsewhere.get(reason) ?? 0) + one);
  }
}

type ClientCount = { told: number; readonly leftOut: Map<string, number> };

const WINDOW_MS = 60_000;
