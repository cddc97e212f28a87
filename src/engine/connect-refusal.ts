import { LoginError, TesseraError } from '../errors.ts';
import { DatabaseRefusal } from './database-refusal.ts';
import type { Refusal } from './engine.ts';

/** What the client is told of a failed connect: the database's own words when it spoke, else no inner addresses. */
export function connectRefusal(error: unknown, sessionId: string): Refusal {
  if (error instanceof DatabaseRefusal) {
    return {
      reason: 'database-refused',
      databaseCode: error.databaseCode,
      message: error.databaseMessage,
      ...(error.detail === undefined ? {} : { detail: error.detail }),
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  }
  if (error instanceof LoginError && error.code === 'DATABASE_DENIED') {
    return {
      reason: 'access-denied',
      message: error.publicMessage,
      hint: 'roles may have changed since you signed in: run "tsh login" again, then tsh db ls',
    };
  }
  const said = error instanceof TesseraError ? error.publicMessage : 'the database can not be reached';
  return { reason: 'database-unreachable', message: said, hint: `tell your administrator the session id ${sessionId}` };
}
