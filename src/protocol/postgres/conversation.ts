import type { ConversationLimits, ConversationObserver, TransactionStatus } from './records.ts';

/**
 * A PostgreSQL session after sign-in, seen from between client and database: which statements the client asks for, and which answer belongs
 * to which. Pure: bytes in, records out (records.ts), no clock and no I/O of its own.
 *
 *     const conversation = new Conversation(observer, { limits, now, mapNotificationPid });
 *     client data:    conversation.fromClient(chunk);  recorder.commit();  database.write(chunk);  // in this order, always
 *     database data:  client.write(conversation.fromDatabase(chunk));                             // mostly the very same chunk
 *     at the end:     conversation.finish();
 *
 * Begins behind the first ReadyForQuery. Throws ProtocolError or LimitError (or what the observer threw): do not forward the chunk, end the session.
 */
export interface ConversationApi {
  fromClient(chunk: Buffer): void;
  fromDatabase(chunk: Buffer): Buffer;
  readonly saturated: boolean;
  readonly running: number;
  readonly transactionStatus: TransactionStatus;
  readonly atClientBoundary: boolean;
  readonly atDatabaseBoundary: boolean;
  finish(): void;
}

export type ConversationOptions = {
  readonly limits: ConversationLimits;
  /** Milliseconds, monotonic, with fractions. */
  readonly now: () => number;
  /** NotificationResponse carries a backend's process id: given the real one, returns the one to show. Absent: unchanged. */
  readonly mapNotificationPid?: (pid: number) => number;
};
export type { ConversationObserver };
