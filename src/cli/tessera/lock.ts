import { randomUUID } from 'node:crypto';
import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { Outcome } from '../command.ts';
import { printTime } from '../duration.ts';
import { UsageError } from '../failure.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';

export type LockOptions = {
  readonly user?: string | undefined;
  readonly role?: string | undefined;
  readonly dbService?: string | undefined;
  readonly serverId?: string | undefined;
  readonly certificate?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly message?: string | undefined;
  readonly ttl?: number | undefined;
  readonly expires?: string | undefined;
};

/** Locks a user, role, database, server, certificate or session: live sessions end within a second, new ones are refused. */
export async function lock(io: Io, globals: Globals, options: LockOptions): Promise<Outcome> {
  const targets = Object.entries({
    user: options.user,
    role: options.role,
    db_service: options.dbService,
    server_id: options.serverId,
    certificate: options.certificate?.replaceAll(':', '').toLowerCase(),
    session_id: options.sessionId?.toLowerCase(),
  }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const [target, ...others] = targets;
  if (target === undefined || others.length > 0) {
    throw new UsageError(
      'lock what? exactly one of --user, --role, --db-service, --server-id, --certificate, --session-id',
    );
  }
  if (options.ttl !== undefined && options.expires !== undefined)
    throw new UsageError('--ttl and --expires exclude each other');
  const expires = options.ttl === undefined ? options.expires : new Date(io.nowMs() + options.ttl * 1000).toISOString();
  if (expires !== undefined && Date.parse(expires) <= io.nowMs())
    throw new UsageError('--expires: expected a time in the future');
  const name = randomUUID();
  const resource = {
    kind: 'lock',
    version: 'v2',
    metadata: { name },
    spec: {
      target: { [target[0]]: target[1] },
      ...(options.message === undefined ? {} : { message: options.message }),
      ...(expires === undefined ? {} : { expires }),
    },
  };
  await withAuth(io, globals, (connection) =>
    connection.client.putResource({ json: JSON.stringify(resource), mode: PutResourceRequest_Mode.CREATE }),
  );
  say(
    io,
    `Locked ${target[0]} ${target[1]} ${expires === undefined ? 'until the lock is removed' : `until ${printTime(expires)}`}.`,
  );
  say(io, `Lock: ${name}`);
  say(io, `To lift it: tessera rm lock/${name}`);
}
