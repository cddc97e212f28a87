import { BugError } from '../../errors.ts';
import { encodeServerMessage } from '../../protocol/postgres/server-messages.ts';
import type { Channel } from '../../wire/channel.ts';
import type { CancelKeys } from '../cancel-keys.ts';
import type { AccessRequest, Admission, DatabaseConnection } from '../engine.ts';
import { PostgresRequest } from './accept.ts';
import { PostgresDatabase } from './connect.ts';

/**
 * AuthenticationOk, what the database said at sign-in (notices, parameters), our own BackendKeyData, ReadyForQuery; in one write. The key's secret has 4 bytes in protocol 3.0 and 32 in
 * 3.2, as the client agreed to.
 */
export function admitPostgres(
  client: Channel,
  request: AccessRequest,
  database: DatabaseConnection,
  keys: CancelKeys,
): Admission {
  const { details } = database;
  if (!(details instanceof PostgresDatabase) || !(request.details instanceof PostgresRequest)) {
    throw new BugError('a postgres session needs a postgres request and connection');
  }
  const key = keys.issue(request.details.minor >= 2 ? 32 : 4, () => database.cancel());
  details.clientPid = key.id;
  const { notices, parameters } = details.signedIn;
  client.write(
    Buffer.concat([
      encodeServerMessage({ type: 'AuthenticationOk' }),
      ...notices,
      ...Array.from(parameters, ([name, value]) => encodeServerMessage({ type: 'ParameterStatus', name, value })),
      encodeServerMessage({ type: 'BackendKeyData', processId: key.id, key: key.secret }),
      encodeServerMessage({ type: 'ReadyForQuery', status: 'I' }),
    ]),
  );
  return { release: () => key.release() };
}
