import { Conversation } from '../../protocol/postgres/conversation.ts';
import { DEFAULT_CONVERSATION_LIMITS, type ConversationLimits } from '../../protocol/postgres/records.ts';
import type { Dialogue } from '../dialogue.ts';
import type { DatabaseConnection, Refusal, RelayLimits, RelaySession } from '../engine.ts';
import { PostgresDatabase } from './connect.ts';
import { encodeRefusal } from './refuse.ts';
import { StatementEvents } from './statement-events.ts';

/** A PostgreSQL session as the relay sees it: chunks go on as they came, in both directions, and nothing is answered here. */
export class PostgresDialogue implements Dialogue {
  /** The protocol's faults are thrown, and nothing else ends a session from here. */
  readonly mustEnd = undefined;
  readonly #conversation: Conversation;
  readonly #events: StatementEvents;

  constructor({ recorder, limits, clock, database }: Pick<RelaySession, 'recorder' | 'limits' | 'clock' | 'database'>) {
    this.#events = new StatementEvents(recorder);
    this.#conversation = new Conversation(this.#events, {
      limits: conversationLimits(limits),
      now: () => clock.monotonic(),
      mapNotificationPid: pidMapping(database),
    });
  }

  fromClient(chunk: Buffer): Buffer {
    this.#conversation.fromClient(chunk);
    return chunk;
  }

  fromDatabase(chunk: Buffer): Buffer {
    return this.#conversation.fromDatabase(chunk);
  }

  takeAnswers(): undefined {}

  takeRequests(): undefined {}

  finish(): void {
    this.#conversation.finish();
  }

  lastWord(refusal: Refusal): Buffer {
    return encodeRefusal(refusal);
  }

  get dirty(): boolean {
    return this.#events.dirty;
  }
  set dirty(value: boolean) {
    this.#events.dirty = value;
  }
  get statements(): number {
    return this.#events.statements;
  }
  get current(): string | undefined {
    return this.#events.current;
  }
  get running(): number {
    return this.#conversation.running;
  }
  get saturated(): boolean {
    return this.#conversation.saturated;
  }
  get atBoundary(): boolean {
    return this.#conversation.atDatabaseBoundary;
  }
  get terminated(): boolean {
    return this.#events.terminated;
  }
}

function conversationLimits(limits: RelayLimits): ConversationLimits {
  return {
    ...DEFAULT_CONVERSATION_LIMITS,
    maxStatementBytes: limits.maxAuditedStatementBytes,
    maxBindBytes: Math.max(DEFAULT_CONVERSATION_LIMITS.maxBindBytes, limits.maxAuditedValuesBytes),
    maxValuesBytes: limits.maxAuditedValuesBytes,
    maxPreparedStatements: limits.maxPreparedStatements,
    maxPipelined: Math.max(minPipelined, limits.maxPipelinedStatements),
  };
}

/** NotificationResponse names backends by process id: the session's own is shown as the client knows it. */
function pidMapping({ details, backendId }: DatabaseConnection): (pid: number) => number {
  const clientPid = details instanceof PostgresDatabase ? details.clientPid : undefined;
  return (pid) => (pid === backendId && clientPid !== undefined ? clientPid : pid);
}

/** The conversation's own minimum: the database may hold back that many answers. */
const minPipelined = 4096;
