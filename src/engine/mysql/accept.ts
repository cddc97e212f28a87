import { randomBytes } from 'node:crypto';

import { BugError, LimitError, ProtocolError } from '../../errors.ts';
import { CLIENT, has } from '../../protocol/mysql/capabilities.ts';
import { decodeGreeting, encodeGreeting, type Greeting, isMariadb } from '../../protocol/mysql/greeting.ts';
import { decodeHandshakeResponse, type HandshakeResponse } from '../../protocol/mysql/handshake-response.ts';
import { decodePacket, encodePacket, HEADER_BYTES, packetShape } from '../../protocol/mysql/packet.ts';
import type { Route } from '../../resource/identity.ts';
import type { Channel } from '../../wire/channel.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import type { Accepted, AcceptOptions, AccessRequest, Refusal } from '../engine.ts';
import { makeGreeting } from './greet.ts';
import { isClientCollation, meansItself } from './names.ts';
import { auditedParameters, MysqlRequest } from './request.ts';

/**
 * Reads the handshake response of a client whose TLS is done, and holds what it asks for against the certificate's route. A client that was greeted before TLS (`options.greeting`) says it as the third
 * packet; any other is greeted here. Its password, or what it made of one, is thrown away.
 */
export async function acceptMysql(client: Channel, options: AcceptOptions): Promise<Accepted> {
  let opening: Opening;
  try {
    opening = openingOf(options);
  } catch {
    return { type: 'refused', refusal: { reason: 'internal', message: 'internal error' } };
  }
  if (opening.say !== undefined) client.write(opening.say);
  const reader = new ChannelReader(client);
  let packet: Buffer;
  try {
    packet = await reader.readFrame(packetShape(options.maxStartupBytes, responseName, limitName), options.signal);
  } catch (error) {
    reader.release();
    if (options.signal.aborted || (error instanceof ProtocolError && error.code === 'WIRE_CLOSED'))
      return { type: 'gone' };
    return refused(opening, opening.sequence + 1, options.route, faultOf(error));
  }
  const early = reader.release();
  const sequence = packet.readUInt8(3) + 1;
  try {
    return understand(packet, early, opening, options);
  } catch (error) {
    return refused(opening, sequence, options.route, faultOf(error));
  }
}

/** The greeting that the client has, or gets now (`say`), and the sequence number of its answer. */
type Opening = { readonly greeting: Greeting; readonly sequence: number; readonly say?: Buffer };

function openingOf(options: AcceptOptions): Opening {
  const { greeting: said, server } = options;
  if (said !== undefined) {
    if (said.length < HEADER_BYTES) throw new BugError('a greeting has a header');
    return { greeting: decodeGreeting(said.subarray(HEADER_BYTES)), sequence: 2 };
  }
  const servers = server === undefined ? [] : [server];
  const greeting = makeGreeting(servers, { serverVersion: unknownVersion, random: randomBytes, tls: false });
  return { greeting, sequence: 1, say: encodePacket(0, encodeGreeting(greeting)) };
}

function understand(bytes: Buffer, early: Buffer, opening: Opening, options: AcceptOptions): Accepted {
  const { sequence, payload } = decodePacket(bytes);
  const no = (refusal: Refusal, flags?: number): Accepted =>
    refused(opening, sequence + 1, options.route, refusal, flags);
  if (sequence !== opening.sequence)
    return no({
      reason: 'protocol-error',
      message: `mysql: ${responseName} has sequence ${sequence}, expected ${opening.sequence}`,
    });
  const flags = payload.length < 4 ? 0 : payload.readUInt32LE(0);
  if (!has(flags, CLIENT.PROTOCOL_41))
    return no({ reason: 'unsupported', message: 'clients older than MySQL 4.1 are not supported' }, 0);
  if (payload.length === sslRequestBytes && has(flags, CLIENT.SSL))
    return no({
      reason: 'protocol-error',
      message: 'the client asks for TLS inside of TLS',
      hint: 'set ssl-mode=DISABLED for a client of "tsh proxy db --tunnel", which does TLS itself',
    });
  return request(
    decodeHandshakeResponse(payload, options.maxStartupBytes),
    sequence + 1,
    early,
    opening,
    options.route,
  );
}

function request(
  response: HandshakeResponse,
  sequence: number,
  early: Buffer,
  { greeting }: Opening,
  route: Route,
): Accepted {
  const details = new MysqlRequest({
    // Many clients set bits that nobody offered, and mean them only where both have them.
    clientCapabilities: (response.capabilities & greeting.capabilities) >>> 0,
    extended: response.extended & greeting.extended,
    flavour: isMariadb(greeting) ? 'mariadb' : 'mysql',
    charset: response.charset,
    maxPacketSize: response.maxPacketSize,
    connectionId: greeting.connectionId,
    sequence,
    attributes: response.attributes,
    early,
  });
  const named = response.database ?? '';
  const asked: AccessRequest = {
    databaseUser: response.user,
    databaseName: named === '' ? (route.databaseName ?? '') : named,
    replication: 'none',
    parameters: auditedParameters(details),
    details,
  };
  const refusal = unfitNames(asked, details.charset) ?? outsideRoute(asked, route);
  return refusal === undefined ? { type: 'request', request: asked } : { type: 'refused', request: asked, refusal };
}

/** A name that a server would take for another one than was authorized, or what it would hold against the agent. That it is UTF-8 without zeros was seen to when it was decoded. */
function unfitNames({ databaseUser, databaseName }: AccessRequest, charset: number): Refusal | undefined {
  if (databaseUser === '') {
    const hint = 'name one: mysql --user=...';
    return { reason: 'protocol-error', message: 'the client named no database user', hint, databaseCode: '1045/28000' };
  }
  // Servers strip such quotes before they look the user up.
  if (/^'.*'$/s.test(databaseUser)) return unfit('the database user is in quotes, which the server would strip');
  // As the server would say it.
  if (!isClientCollation(charset)) {
    const message = `collation ${charset} can not be a client's`;
    return { reason: 'protocol-error', message, hint: 'choose utf8mb4', databaseCode: '1231/42000' };
  }
  if (!meansItself(databaseUser + databaseName, charset))
    return unfit(
      'names that are not plain ASCII need a UTF-8 character set, e.g. --default-character-set=utf8mb4, and no characters above U+FFFF',
    );
  return undefined;
}

function unfit(message: string): Refusal {
  return { reason: 'protocol-error', message, databaseCode: '1045/28000' };
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

/** A refusal before the client was understood; what is known of it is enough to say no with the right sequence number. */
function refused(
  { greeting }: Opening,
  sequence: number,
  route: Route,
  refusal: Refusal,
  clientCapabilities: number = CLIENT.PROTOCOL_41,
): Accepted {
  const details = new MysqlRequest({
    clientCapabilities,
    extended: 0,
    flavour: isMariadb(greeting) ? 'mariadb' : 'mysql',
    charset: greeting.charset,
    maxPacketSize: 0,
    connectionId: greeting.connectionId,
    sequence,
    attributes: new Map(),
    early: Buffer.alloc(0),
  });
  const { databaseUser = '', databaseName = '' } = route;
  return {
    type: 'refused',
    request: { databaseUser, databaseName, replication: 'none', parameters: {}, details },
    refusal,
  };
}

function faultOf(error: unknown): Refusal {
  if (error instanceof ProtocolError || error instanceof LimitError)
    return { reason: 'protocol-error', message: error.publicMessage };
  return { reason: 'internal', message: 'internal error' };
}

const responseName = "the client's handshake response";
const limitName = 'maxStartupBytes';
const sslRequestBytes = 32;
/** Said inside a tunnel when the database's version is not known yet: new enough for every tool, and nobody's in particular. */
const unknownVersion = '8.0.36-Tessera';
