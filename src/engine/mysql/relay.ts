import { BugError } from '../../errors.ts';
import type { Closed, RelaySession } from '../engine.ts';
import { relay } from '../relay.ts';
import { MysqlDatabase } from './database.ts';
import { MysqlDialogue } from './dialogue.ts';
import { MysqlRequest } from './request.ts';

/** The relay of a MySQL or MariaDB session; see {@link relay}. */
export function relayMysql(session: RelaySession): Promise<Closed> {
  const { request, database } = session;
  const { details: asked } = request;
  const { details: signedIn } = database;
  if (!(asked instanceof MysqlRequest) || !(signedIn instanceof MysqlDatabase)) {
    session.client.destroy();
    return Promise.resolve({ by: 'error', error: new BugError('a mysql relay needs a mysql request and connection') });
  }
  const dialogue = new MysqlDialogue({ ...session, asked, signedIn, databaseName: request.databaseName });
  return relay(session, dialogue, { fromClient: asked.early, fromDatabase: signedIn.early });
}
