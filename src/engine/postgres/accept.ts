import { LimitError, ProtocolError } from '../../errors.ts';
import { encodeServerMessage } from '../../protocol/postgres/server-messages.ts';
import {
  decodeStartupPacket,
  negotiateVersion,
  startupLength,
  type StartupMessage,
} from '../../protocol/postgres/startup.ts';
import type { Route } from '../../resource/identity.ts';
import type { Channel } from '../../wire/channel.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import type { Accepted, AcceptOptions, AccessRequest, Refusal } from '../engine.ts';

/** What the start-up packet said; `AccessRequest.details` of this engine. */
export class PostgresRequest {
  /** Minor version of protocol 3 that the client and we agreed on. */
  readonly minor: number;
  /** All parameters but user and database. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Bytes the client sent behind its start-up packet, not yet consumed. */
  readonly early: Buffer;

  constructor(minor: number, parameters: ReadonlyMap<string, string>, early: Buffer) {
    this.minor = minor;
    this.parameters = parameters;
    this.early = early;
  }
}

/**
 * Reads the start-up packet of a client whose TLS is done, negotiates the protocol version (a higher minor version and unknown `_pq_.` options are answered, as greasing clients
 * demand), and holds what it asks for against the certificate's route. `wrong-route` when the certificate is for another user or database.
 */
export async function acceptPostgres(client: Channel, options: AcceptOptions): Promise<Accepted> {
  const reader = new ChannelReader(client);
  let packet: Buffer;
  try {
    packet = await reader.readFrame(startupShape(options.maxStartupBytes), options.signal);
  } catch (error) {
    reader.release();
    if (options.signal.aborted || (error instanceof ProtocolError && error.code === 'WIRE_CLOSED'))
      return { type: 'gone' };
    return refused(faultOf(error));
  }
  const early = reader.release();
  try {
    return understand(client, packet, early, options);
  } catch (error) {
    return refused(faultOf(error));
  }
}

function understand(client: Channel, bytes: Buffer, early: Buffer, options: AcceptOptions): Accepted {
  const packet = decodeStartupPacket(bytes, options.maxStartupBytes)?.packet;
  switch (packet?.type) {
    case 'CancelRequest':
      return { type: 'cancel', packet: bytes };
    case 'StartupMessage':
      return negotiate(client, packet, early, options.route);
    default:
      return refused({
        reason: 'protocol-error',
        message: `${packet?.type ?? 'packet'} where a start-up packet was expected`,
      });
  }
}

function negotiate(client: Channel, asked: StartupMessage, early: Buffer, route: Route): Accepted {
  if (asked.major !== 3) {
    const message = `unsupported frontend protocol ${asked.major}.${asked.minor}: server supports 3.0 to 3.2`;
    return refused({ reason: 'unsupported', message });
  }
  const { minor, negotiate: tell } = negotiateVersion(asked);
  if (tell)
    client.write(
      encodeServerMessage({ type: 'NegotiateProtocolVersion', major: 3, minor, unknownOptions: asked.protocolOptions }),
    );
  return request(minor, asked.parameters, early, route);
}

function request(minor: number, parameters: ReadonlyMap<string, string>, early: Buffer, route: Route): Accepted {
  const databaseUser = parameters.get('user') ?? '';
  if (databaseUser === '') {
    return refused({
      reason: 'protocol-error',
      message: 'no PostgreSQL user name specified in startup packet',
      databaseCode: '28000',
    });
  }
  const named = parameters.get('database');
  const databaseName = named === undefined || named === '' ? databaseUser : named;
  const others = [...parameters].filter(([name]) => name !== 'user' && name !== 'database');
  const asked: AccessRequest = {
    databaseUser,
    databaseName,
    replication: replicationOf(parameters.get('replication')),
    parameters: Object.fromEntries(others),
    details: new PostgresRequest(minor, new Map(others), early),
  };
  const refusal = outsideRoute(asked, route);
  return refusal === undefined ? { type: 'request', request: asked } : { type: 'refused', request: asked, refusal };
}

function outsideRoute({ databaseUser, databaseName }: AccessRequest, route: Route): Refusal | undefined {
  const hint = `tsh db login --db-user=... --db-name=... ${route.service}`;
  if (route.databaseUser !== undefined && route.databaseUser !== databaseUser) {
    const message = `your certificate is for the database user "${route.databaseUser}", the client asked for "${databaseUser}"`;
    return { reason: 'wrong-route', message, hint: `name that user, or get another certificate: ${hint}` };
  }
  if (route.databaseName !== undefined && route.databaseName !== databaseName) {
    const message = `your certificate is for the database name "${route.databaseName}", the client asked for "${databaseName}"`;
    return { reason: 'wrong-route', message, hint: `name that database, or get another certificate: ${hint}` };
  }
  return undefined;
}

/** `database` is logical; anything else that PostgreSQL does not surely take as false asks for the server's WAL. */
function replicationOf(value: string | undefined): AccessRequest['replication'] {
  if (value === undefined) return 'none';
  if (value === 'database') return 'logical';
  return ['0', 'f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', 'off'].includes(value.toLowerCase())
    ? 'none'
    : 'physical';
}

function refused(refusal: Refusal): Accepted {
  return { type: 'refused', refusal };
}

function faultOf(error: unknown): Refusal {
  if (error instanceof ProtocolError || error instanceof LimitError)
    return { reason: 'protocol-error', message: error.publicMessage };
  return { reason: 'internal', message: 'internal error' };
}

function startupShape(maxBytes: number) {
  const lengthOf = (header: Buffer): number => startupLength(header, maxBytes);
  return { name: 'postgres: start-up packet', headerBytes: 4, lengthOf, maxBytes, limitName: 'maxStartupBytes' };
}
