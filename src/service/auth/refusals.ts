import { auditEvent } from '../../audit/event.ts';
import { networkOf } from '../../sso/local/rate.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import { RefusalBudget, type RefusalLimits } from '../refusal-budget.ts';
import { leftOutEvent } from '../refusal-trail.ts';
import type { AuditPort } from './context.ts';

export type AuthRefusalsOptions = {
  readonly audit: Pick<AuditPort, 'emit'>;
  readonly limits: RefusalLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Pick<Instruments, 'auditRefusalsLeftOut'>;
};

/** Who could not prove who they are at Auth's own port, for the audit log: some of each address one by one, the rest as a number. */
export class AuthRefusals {
  readonly #options: AuthRefusalsOptions;
  readonly #budget: RefusalBudget;

  constructor(options: AuthRefusalsOptions) {
    this.#options = options;
    const { limits, clock } = options;
    this.#budget = new RefusalBudget({
      limits: () => limits,
      clock,
      onLeftOut: (leftOut) => {
        this.#emit(leftOutEvent(leftOut)).catch((error: unknown) =>
          options.log.error({ err: error, count: leftOut.count }, 'auth: refused connections were not recorded'),
        );
        return true;
      },
    });
  }

  /** Resolves when it is stored durably or counted; rejects with StorageError. `reason`: a code of ours. */
  async record(address: string, reason: string, error: string): Promise<void> {
    if (!this.#budget.take(networkOf(address), reason)) {
      this.#options.instruments.auditRefusalsLeftOut.value += 1;
      return;
    }
    await this.#emit(auditEvent('T3007W', { error, reason, listener: 'auth', success: false, 'addr.remote': address }));
  }

  /** Tells what was left out. Before the audit log closes, which waits for it. */
  close(): void {
    this.#budget.close();
  }

  #emit(event: Parameters<AuditPort['emit']>[0]): Promise<void> {
    return this.#options.audit.emit(event);
  }
}
