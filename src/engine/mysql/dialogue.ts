import { Conversation } from '../../protocol/mysql/conversation.ts';
import {
  DEFAULT_CONVERSATION_LIMITS,
  type ConversationLimits,
  type ConversationPolicy,
  type ServerError,
} from '../../protocol/mysql/records.ts';
import type { Dialogue } from '../dialogue.ts';
import type { Refusal, RelayLimits, RelaySession } from '../engine.ts';
import { isShownId } from '../session-ids.ts';
import type { MysqlDatabase } from './database.ts';
import { databaseCodeOf, encodeRefusal, errorOf } from './refuse.ts';
import type { MysqlRequest } from './request.ts';
import { StatementEvents } from './statement-events.ts';

/** A MySQL or MariaDB session as the relay sees it: what the conversation lets through, and what it answers and asks itself. */
export class MysqlDialogue implements Dialogue {
  readonly #conversation: Conversation;
  readonly #events: StatementEvents;
  /** KILLs that go to other agents once they are committed. */
  #kills: (() => void)[] = [];

  constructor(session: MysqlSession) {
    const { recorder, limits, clock, asked, signedIn, databaseName } = session;
    this.#events = new StatementEvents(recorder);
    this.#conversation = new Conversation(this.#events, {
      limits: conversationLimits(limits),
      now: () => clock.monotonic(),
      client: { flags: asked.clientCapabilities, extended: asked.extended },
      database: { flags: signedIn.capabilities, extended: signedIn.extended },
      flavour: signedIn.flavour,
      status: signedIn.status,
      databaseName,
      policy: policyOf(session, (send) => this.#kills.push(send)),
    });
  }

  fromClient(chunk: Buffer): Buffer {
    return this.#conversation.fromClient(chunk);
  }

  fromDatabase(chunk: Buffer): Buffer {
    return this.#conversation.fromDatabase(chunk);
  }

  takeAnswers(): Buffer | undefined {
    const kills = this.#kills;
    if (kills.length > 0) {
      this.#kills = [];
      for (const send of kills) send();
    }
    return this.#conversation.takeAnswers();
  }

  takeRequests(): Buffer | undefined {
    return this.#conversation.takeRequests();
  }

  finish(): void {
    this.#conversation.finish();
  }

  lastWord(refusal: Refusal): Buffer {
    return encodeRefusal(refusal, this.#conversation.nextSequence);
  }

  get dirty(): boolean {
    return this.#events.dirty;
  }
  set dirty(value: boolean) {
    this.#events.dirty = value;
  }
  get mustEnd(): Refusal | undefined {
    const error = this.#conversation.mustEnd;
    return error === undefined ? undefined : refusalOf(error);
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

/** What of a session the dialogue is made with. */
export type MysqlSession = Pick<
  RelaySession,
  'recorder' | 'limits' | 'clock' | 'options' | 'mayUse' | 'ids' | 'elsewhere' | 'database'
> & {
  readonly asked: MysqlRequest;
  readonly signedIn: MysqlDatabase;
  /** After sign-in; empty: none. */
  readonly databaseName: string;
};

function conversationLimits(limits: RelayLimits): ConversationLimits {
  return {
    ...DEFAULT_CONVERSATION_LIMITS,
    maxStatementBytes: limits.maxAuditedStatementBytes,
    maxValuesBytes: limits.maxAuditedValuesBytes,
    maxPreparedStatements: limits.maxPreparedStatements,
    maxPipelined: limits.maxPipelinedStatements,
  };
}

function policyOf(
  { mayUse, ids, elsewhere, options, database }: MysqlSession,
  onKill: (send: () => void) => void,
): ConversationPolicy {
  return {
    mayUse: (databaseName) => {
      const refusal = mayUse(databaseName);
      return refusal === undefined ? undefined : changeRefused(refusal);
    },
    realConnectionId: (shown) => {
      const real = ids.realOf(shown);
      if (real !== undefined || !isShownId(shown)) return real;
      return elsewhere.canAsk ? 'elsewhere' : 'unknown';
    },
    killElsewhere: (shown, what) =>
      onKill(elsewhere.ask(shown, what, (connectionId) => database.stop?.(connectionId, what) ?? Promise.resolve())),
    localInfile: options.localInfileAllowed,
  };
}

/** Drivers know the refusal of a database name by a number of its own (ER_DBACCESS_DENIED_ERROR). */
function changeRefused(refusal: Refusal): ServerError {
  const error = errorOf(refusal);
  return refusal.reason === 'access-denied' ? { ...error, code: 1044, sqlState: '42000' } : error;
}

/** What ends a session from within: a database name or a file that the roles do not allow. */
function refusalOf(error: ServerError): Refusal {
  return { reason: 'access-denied', message: error.message, databaseCode: databaseCodeOf(error) };
}
