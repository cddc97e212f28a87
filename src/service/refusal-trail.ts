import { type AuditEvent, auditEvent } from '../audit/event.ts';
import type { AuditWriter } from '../audit/writer.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';
import { type LeftOut, RefusalBudget, type RefusalLimits } from './refusal-budget.ts';

export type RefusalTrailOptions = {
  readonly writer: Pick<AuditWriter, 'emit'>;
  /** Asked at each use: they may be reloaded. */
  readonly limits: () => RefusalLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Pick<Instruments, 'auditRefusalsLeftOut'>;
};

/**
 * The audit events of those who were refused before a session. Whoever writes here has said no already or will in any case: nothing is let through for want of an event, so a full
 * or failed journal (Auth away for long) makes this service neither stop nor wait. What could not be written is counted, and told as a number once there is room.
 */
export class RefusalTrail {
  readonly #options: RefusalTrailOptions;
  readonly #budget: RefusalBudget;
  #failing = false;

  constructor(options: RefusalTrailOptions) {
    const { limits, clock } = options;
    this.#options = options;
    this.#budget = new RefusalBudget({ limits, clock, onLeftOut: (leftOut) => this.#emit(leftOutEvent(leftOut)) });
  }

  /** `client`: what counts as one for the limit. `reason`: a code of ours. `event` is made only when it is told. Never throws. */
  record(client: string, reason: string, event: () => AuditEvent): void {
    if (!this.#budget.take(client, reason)) this.#count();
    else if (!this.#emit(event())) {
      this.#budget.leaveOut(client, reason);
      this.#count();
    }
  }

  /** Tells what was left out. Before the journal closes. */
  close(): void {
    this.#budget.close();
  }

  #emit(event: AuditEvent): boolean {
    let failure: unknown = 'the journal is full';
    try {
      if (this.#options.writer.emit(event) === 'written') {
        this.#failing = false;
        return true;
      }
    } catch (error) {
      failure = error;
    }
    // Once, not for each of a flood.
    if (!this.#failing)
      this.#options.log.error({ err: failure }, 'refusals can not be recorded for audit; they are counted until then');
    this.#failing = true;
    return false;
  }

  #count(): void {
    this.#options.instruments.auditRefusalsLeftOut.value += 1;
  }
}

/** The one event that stands for many. */
export function leftOutEvent({ client, count, reasons }: LeftOut): AuditEvent {
  const whose = client === undefined ? 'of several addresses' : 'of this address';
  return auditEvent('T3007W', {
    error: `${count} further refusals ${whose} within a minute are not told one by one`,
    reason: 'REFUSALS_LEFT_OUT',
    left_out: count,
    left_out_reasons: reasons,
    success: false,
    ...(client === undefined ? {} : { 'addr.remote': client }),
  });
}
