import { randomBytes } from 'node:crypto';
import type { SecureContext, TLSSocket } from 'node:tls';

import type { Grant } from '../../access/grant.ts';
import { BugError } from '../../errors.ts';
import { serverEndPointHash } from '../../protocol/postgres/scram.ts';
import { encodeStartupPacket } from '../../protocol/postgres/startup.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import type { Channel } from '../../wire/channel.ts';
import { SocketChannel } from '../../wire/socket-channel.ts';
import { connectError, within } from '../connect-limit.ts';
import type { AccessRequest, DatabaseConnection, DatabaseCredentials, DatabaseTarget } from '../engine.ts';
import { PostgresRequest } from './accept.ts';
import { type BackendKey, cancelAtDatabase } from './cancel.ts';
import { dialPostgres } from './dial.ts';
import { type Password, signIn, type SignedIn } from './sign-in.ts';

/** `DatabaseConnection.details` of this engine. */
export class PostgresDatabase {
  readonly signedIn: SignedIn;
  /** Bytes behind the first ReadyForQuery, not yet consumed. */
  readonly early: Buffer;
  /** The process id that the client was told; set by admit. */
  clientPid: number | undefined;

  constructor(signedIn: SignedIn, early: Buffer) {
    this.signedIn = signedIn;
    this.early = early;
  }
}

/** See `Engine.connect`. The whole of it, from the credentials to ReadyForQuery, takes at most `target.connectTimeoutMs`. */
export async function connectPostgres(
  grant: Grant,
  request: AccessRequest,
  target: DatabaseTarget,
  signal: AbortSignal,
): Promise<DatabaseConnection> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(target.connectTimeoutMs)]);
  const credentials = await within(limit, target.credentials(grant.databaseUser, grant.databaseName));
  const socket = await dialPostgres(target.database, credentials.secureContext, limit);
  const channel = new SocketChannel(socket);
  try {
    return await openSession({
      grant,
      request,
      target,
      credentials,
      channel,
      password: passwordOf(credentials, socket),
      signal: limit,
    });
  } catch (error) {
    channel.destroy();
    throw connectError(error, limit, { timeoutMs: target.connectTimeoutMs, hint: closedHint });
  }
}

/** The part behind TLS, over any channel. The caller destroys the channel when it throws. */
export async function openSession(options: OpenOptions): Promise<DatabaseConnection> {
  const { grant, request, target, credentials, channel, password, signal } = options;
  const reader = new ChannelReader(channel);
  channel.write(startup(grant, request));
  const signedIn = await signIn({ reader, write: (bytes) => void channel.write(bytes), password, signal });
  const details = new PostgresDatabase(signedIn, reader.release());
  const version = signedIn.parameters.get('server_version');
  return {
    channel,
    details,
    ...(signedIn.key === undefined ? {} : { backendId: signedIn.key.pid }),
    ...(version === undefined ? {} : { serverVersion: version.slice(0, maxVersionLength) }),
    cancel: () => cancel(target, credentials.secureContext, signedIn.key),
  };
}

export type OpenOptions = {
  readonly grant: Grant;
  readonly request: AccessRequest;
  readonly target: DatabaseTarget;
  readonly credentials: DatabaseCredentials;
  readonly channel: Channel;
  readonly password: Password | undefined;
  readonly signal: AbortSignal;
};

function startup(grant: Grant, request: AccessRequest): Buffer {
  const { details } = request;
  if (!(details instanceof PostgresRequest)) throw new BugError('a postgres connection needs a postgres request');
  // User and name come from the Grant, so nothing but what was authorized can be asked for.
  const parameters = new Map([['user', grant.databaseUser], ['database', grant.databaseName], ...details.parameters]);
  return encodeStartupPacket({
    type: 'StartupMessage',
    major: 3,
    minor: details.minor,
    parameters,
    protocolOptions: [],
  });
}

function passwordOf(credentials: DatabaseCredentials, socket: TLSSocket): Password | undefined {
  if (credentials.type !== 'password') return undefined;
  const certificate = socket.getPeerX509Certificate();
  const hash = /sha-?\d+|md5/i.exec(certificate?.signatureAlgorithm ?? '')?.[0];
  const certificateHash = certificate === undefined ? undefined : serverEndPointHash(certificate.raw, hash);
  return { text: credentials.password, nonce: randomBytes(24), certificateHash };
}

async function cancel(
  target: DatabaseTarget,
  secureContext: SecureContext,
  key: BackendKey | undefined,
): Promise<void> {
  if (key !== undefined) await cancelAtDatabase(target.database, secureContext, key, target.connectTimeoutMs);
}

const maxVersionLength = 100;
/** With TLS 1.3 a database refuses our certificate only now, by an alert or by just closing. */
const closedHint = 'does ssl_ca_file hold the db-client authority?';
