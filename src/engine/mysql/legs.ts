import { ProtocolError, UpstreamError } from '../../errors.ts';
import { CLIENT, has } from '../../protocol/mysql/capabilities.ts';
import { type Greeting, isMariadb } from '../../protocol/mysql/greeting.ts';
import { type ClientFlags, encodeHandshakeResponse } from '../../protocol/mysql/handshake-response.ts';
import { CHOICE_BITS, EXTENDED_CHOICE_BITS, MILD_BITS } from './greet.ts';
import { misreadBy } from './names.ts';
import type { MysqlRequest } from './request.ts';

/** What one sign-in asks for, whoever wants it. Names were authorized. */
export type Login = {
  readonly user: string;
  /** Empty: none. */
  readonly databaseName: string;
  readonly charset: number;
  readonly maxPacketSize: number;
  readonly attributes: ReadonlyMap<string, string>;
  /** The client's choice, which both legs keep. */
  readonly clientCapabilities: number;
  readonly extended: number;
  /** The role lets the client send files. */
  readonly localInfile: boolean;
};

/** A login of our own, which asks for nothing that a client could notice. */
export function bareLogin(user: string): Login {
  return {
    user,
    databaseName: '',
    charset: utf8mb4GeneralCi,
    maxPacketSize: 0x0100_0000,
    attributes: new Map(),
    clientCapabilities: 0,
    extended: 0,
    localInfile: false,
  };
}

/** A login as the client wants it, under authorized names. */
export function loginOf(
  request: MysqlRequest,
  names: { readonly user: string; readonly databaseName: string; readonly localInfile: boolean },
): Login {
  const { charset, maxPacketSize, attributes, clientCapabilities, extended } = request;
  return { ...names, charset, maxPacketSize, attributes, clientCapabilities, extended };
}

/**
 * The capabilities of the database's leg: those that the client chose, what this leg itself takes, and session tracking where the server has it. Throws UpstreamError `DATABASE_CAPABILITIES`
 * when the server can not do something that the client was promised and that changes its answers' form, `DATABASE_TOO_OLD`; ProtocolError `MYSQL_NAME_MISREAD` when it would take a name for another one.
 */
export function chooseFlags(login: Login, greeting: Greeting): ClientFlags {
  const server = greeting.capabilities;
  const { user, databaseName, charset, clientCapabilities, extended, maxPacketSize } = login;
  const misread = misreadBy(isMariadb(greeting) ? 'mariadb' : 'mysql', { user, databaseName, charset });
  if (misread !== undefined) throw new ProtocolError('MYSQL_NAME_MISREAD', `mysql: ${misread}`);
  if ((~server & neededBits) !== 0) throw tooOld();
  const promised = (clientCapabilities & CHOICE_BITS & ~server) !== 0 || (extended & ~greeting.extended) !== 0;
  if (promised) throw lessThanPromised();
  const chosen = clientCapabilities & (CHOICE_BITS | MILD_BITS) & server;
  const capabilities =
    (chosen & ~CLIENT.LOCAL_FILES) |
    (login.localInfile ? chosen & CLIENT.LOCAL_FILES : 0) |
    neededBits |
    CLIENT.SSL |
    (server & (CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA | CLIENT.SESSION_TRACK)) |
    (login.attributes.size === 0 ? 0 : server & CLIENT.CONNECT_ATTRS) |
    (databaseName === '' ? 0 : CLIENT.CONNECT_WITH_DB) |
    // Set by those who have no extended capabilities.
    (extended === 0 ? CLIENT.LONG_PASSWORD : 0);
  return { capabilities: capabilities >>> 0, extended: extended & EXTENDED_CHOICE_BITS, maxPacketSize, charset };
}

/** The payload of the handshake response, for the plugin and its answer that the sign-in finds out. */
export function responseOf(login: Login, flags: ClientFlags): (plugin: string, authResponse: Buffer) => Buffer {
  const { user, databaseName, attributes } = login;
  const fields = {
    ...flags,
    user,
    ...(has(flags.capabilities, CLIENT.CONNECT_WITH_DB) ? { database: databaseName } : {}),
    attributes: has(flags.capabilities, CLIENT.CONNECT_ATTRS) ? attributes : new Map<string, string>(),
  };
  return (plugin, authResponse) => encodeHandshakeResponse({ ...fields, plugin, authResponse });
}

const neededBits = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH;
const utf8mb4GeneralCi = 45;

function lessThanPromised(): UpstreamError {
  return new UpstreamError(
    'DATABASE_CAPABILITIES',
    "the database's server can do less than the client was told in the greeting, before the database was known",
    {
      retryable: true,
      publicMessage: 'this database can do less than the greeting promised for all databases: connect again',
    },
  );
}

function tooOld(): UpstreamError {
  return new UpstreamError(
    'DATABASE_TOO_OLD',
    'the database lacks authentication plugins; expected MySQL 5.6 or MariaDB 10.0 at least',
    { publicMessage: 'the database is too old for Tessera' },
  );
}
