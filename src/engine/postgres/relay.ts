import type { Closed, RelaySession } from '../engine.ts';
import { relay } from '../relay.ts';
import { PostgresRequest } from './accept.ts';
import { PostgresDatabase } from './connect.ts';
import { PostgresDialogue } from './dialogue.ts';

/** The relay of a PostgreSQL session; see {@link relay}. */
export function relayPostgres(session: RelaySession): Promise<Closed> {
  const { request, database } = session;
  return relay(session, new PostgresDialogue(session), {
    fromClient: request.details instanceof PostgresRequest ? request.details.early : empty,
    fromDatabase: database.details instanceof PostgresDatabase ? database.details.early : empty,
  });
}

const empty = Buffer.alloc(0);
