import { BugError } from '../../errors.ts';
import { encodeOk, plainOk } from '../../protocol/mysql/ok.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import type { Channel } from '../../wire/channel.ts';
import type { AccessRequest, Admission, DatabaseConnection, SessionHandles } from '../engine.ts';
import { MysqlDatabase } from './database.ts';
import { MysqlRequest } from './request.ts';

/**
 * The OK behind the handshake response: the database's status, and of its session state what the client asked to be told, without redirection. The info text stays here: MariaDB puts a
 * hash there that is for its own TLS connection. From now on the client's connection id leads to the database's.
 */
export function admitMysql(
  client: Channel,
  request: AccessRequest,
  database: DatabaseConnection,
  { ids, stop }: SessionHandles,
): Admission {
  const { details } = database;
  if (!(details instanceof MysqlDatabase) || !(request.details instanceof MysqlRequest))
    throw new BugError('a mysql session needs a mysql request and connection');
  const { connectionId, sequence, clientCapabilities } = request.details;
  const { status, track } = details;
  const ok = encodeOk({ ...plainOk(status), ...(track === undefined ? {} : { track }) }, clientCapabilities);
  const release = database.backendId === undefined ? () => {} : ids.register(connectionId, database.backendId, stop);
  client.write(encodePacket(sequence, ok));
  return { release };
}
