import type { MemoryBudget } from './names.ts';
import { NameTable } from './names.ts';
import { PendingQueue, type Pending, type PortalMemory, type StatementMemory } from './pending.ts';
import type {
  ConversationLimits,
  ConversationObserver,
  ServerError,
  Statement,
  StatementResult,
  TransactionStatus,
} from './records.ts';

/** What both directions of one conversation share. Inner to src/protocol/postgres; use `Conversation`. */
export class SessionState {
  readonly limits: ConversationLimits;
  readonly observer: ConversationObserver;
  readonly queue = new PendingQueue();
  readonly statements: NameTable<StatementMemory>;
  readonly portals: NameTable<PortalMemory>;
  /** Syncs sent by the client. */
  group = 0;
  /** The database throws away what the client sends up to the next Sync, because of this error. */
  skipping: ServerError | undefined;
  /** SQL-level changes of statement or portal names seen in command tags. */
  statementGeneration = 0;
  portalGeneration = 0;
  /**
   * Set for good once it can not be told which of the client's messages an answer belongs to (a COPY failed with Syncs in it that the database may or may not
   * have read as part of it; an answer that nothing waits for). From then on names mean nothing certain, and nothing is called skipped.
   */
  doubt = false;
  transactionStatus: TransactionStatus = 'I';
  /** By the clock, when the chunk being walked came. */
  nowMs = 0;

  constructor(limits: ConversationLimits, observer: ConversationObserver) {
    this.limits = limits;
    this.observer = observer;
    const budget: MemoryBudget = { used: 0, max: limits.maxRememberedBytes };
    this.statements = new NameTable(limits.maxPreparedStatements, budget);
    this.portals = new NameTable(limits.maxPreparedStatements, budget);
  }

  /** The database took what `entry` defines or closes. */
  accept(entry: Pending): void {
    if (entry.statementLink !== undefined) {
      this.statements.accept(entry.statementLink);
      if (entry.statementLink.value !== undefined) entry.statementLink.value.definition.state = 'accepted';
    }
    if (entry.portalLink === undefined) return;
    this.portals.accept(entry.portalLink);
    const memory = entry.portalLink.value;
    // SQL that stood between the client's Parse and this Bind in the pipeline changed what names mean.
    if (memory !== undefined && memory.portal.statementName !== '')
      memory.uncertain ||= memory.statementGeneration !== this.statementGeneration;
  }

  /** It did not. `failed`: it looked and refused; otherwise it skipped it. */
  reject(entry: Pending, failed: boolean): void {
    if (entry.statementLink !== undefined) {
      if (entry.statementLink.value !== undefined && entry.kind === 'parse')
        entry.statementLink.value.definition.state = 'rejected';
      // PostgreSQL drops the unnamed statement before it looks at its new text.
      this.statements.reject(entry.statementLink, failed && entry.kind === 'parse' && entry.statementLink.name === '');
    }
    if (entry.portalLink !== undefined) this.portals.reject(entry.portalLink);
  }

  /** Reports the one result of an entry's statement, if it has one. */
  report(
    entry: Pending,
    outcome: StatementResult['outcome'],
    error: ServerError | undefined,
    bytes: number,
    transaction: TransactionStatus | undefined,
  ): void {
    const { statement } = entry;
    if (statement === undefined) return;
    const totalMs = this.nowMs - statement.startedAtMs;
    this.observer.result({
      statement,
      outcome,
      rows: entry.rows,
      affected: entry.affected,
      tag: entry.tag,
      commandCount: entry.commandCount,
      commands: entry.commandCount > 1 ? (entry.commands ?? NO_COMMANDS) : NO_COMMANDS,
      error,
      bytes,
      copyBytes: entry.copyBytes,
      uncertain: this.#textUncertain(entry, statement),
      textRejected: ANSWERED.has(outcome) && statement.definition?.state === 'rejected',
      firstByteMs: entry.firstByteAtMs < 0 ? totalMs : entry.firstByteAtMs - statement.startedAtMs,
      totalMs,
      transaction,
    });
  }

  #textUncertain({ portal, portalGeneration }: Pending, { uncertain, portalName }: Statement): boolean {
    if (uncertain || this.doubt) return true;
    if (portal === undefined) return false;
    return portal.uncertain || (portalName !== '' && portalGeneration !== this.portalGeneration);
  }
}

const NO_COMMANDS: StatementResult['commands'] = [];
const ANSWERED: ReadonlySet<StatementResult['outcome']> = new Set(['completed', 'suspended', 'empty']);
