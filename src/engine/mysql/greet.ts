import { CLIENT, has, MARIADB_CLIENT, SERVER_STATUS } from '../../protocol/mysql/capabilities.ts';
import { encodeErr } from '../../protocol/mysql/err.ts';
import { encodeGreeting, type Greeting, isMariadb, SCRAMBLE_BYTES } from '../../protocol/mysql/greeting.ts';
import { encodePacket, HEADER_BYTES } from '../../protocol/mysql/packet.ts';
import type { LegCapabilities } from '../../protocol/mysql/records.ts';
import type { RandomBytes, Refusal, ServerFacts, ServerFirst, ServerFirstAnswer } from '../engine.ts';
import { SHOWN_ID_BIT } from '../session-ids.ts';
import { errorOf } from './refuse.ts';

/** The opening in clear on a listener of MySQL's own. */
export const mysqlServerFirst: ServerFirst = { greet, understand };

export type GreetOptions = {
  /** Said when the servers differ or none is known. */
  readonly serverVersion: string;
  readonly random: RandomBytes;
  /** Offer TLS inside the protocol. */
  readonly tls: boolean;
};

/**
 * A greeting that promises what every one of `servers` keeps; the same list again, which must not have changed, costs nothing. It names mysql_native_password, whose answer nobody reads: with it every known client takes an OK straight behind its
 * response, and none sends a password in clear (people prove themselves by certificate). Its connection id is ours.
 */
export function makeGreeting(servers: readonly ServerFacts[], options: GreetOptions): Greeting {
  const common = commonOf(servers);
  const serverVersion = common.version ?? options.serverVersion;
  const { flags, extended } = isMariadb(serverVersion) ? common.asMariadb : common.asMysql;
  return {
    serverVersion,
    connectionId: ((options.random(4).readUInt32BE(0) & (SHOWN_ID_BIT - 1)) | SHOWN_ID_BIT) >>> 0,
    scramble: scrambleOf(options.random(SCRAMBLE_BYTES)),
    capabilities: (flags | (options.tls ? CLIENT.SSL : 0)) >>> 0,
    extended,
    charset: utf8mb4GeneralCi,
    status: SERVER_STATUS.AUTOCOMMIT,
    plugin: 'mysql_native_password',
  };
}

/** As in `ServerFacts.capabilities`: 16 lower-case hex digits, the extended ones first. */
export function formatCapabilities({ flags, extended }: LegCapabilities): string {
  return hex(extended) + hex(flags);
}

/** What {@link formatCapabilities} wrote; undefined for anything else. */
export function parseCapabilities(text: string | undefined): LegCapabilities | undefined {
  if (text === undefined || !/^[0-9a-f]{16}$/.test(text)) return undefined;
  return { extended: Number.parseInt(text.slice(0, 8), 16), flags: Number.parseInt(text.slice(8), 16) };
}

/** What a leg needs whatever the statements in it are; every server since MySQL 5.6 and MariaDB 10.0 has it. */
export const LEG_BITS =
  CLIENT.LONG_PASSWORD |
  CLIENT.CONNECT_WITH_DB |
  CLIENT.PROTOCOL_41 |
  CLIENT.SECURE_CONNECTION |
  CLIENT.PLUGIN_AUTH |
  CLIENT.CONNECT_ATTRS |
  CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA;

/** What a client may choose and what then means the same on both legs: it frames answers, or changes what a statement means. */
export const CHOICE_BITS =
  CLIENT.FOUND_ROWS |
  CLIENT.IGNORE_SPACE |
  CLIENT.MULTI_STATEMENTS |
  CLIENT.MULTI_RESULTS |
  CLIENT.PS_MULTI_RESULTS |
  CLIENT.SESSION_TRACK |
  CLIENT.DEPRECATE_EOF |
  CLIENT.QUERY_ATTRIBUTES;

/** What a client may choose and a server may well not have. LOCAL_FILES reaches the database only where a role allows it. */
export const MILD_BITS =
  CLIENT.LONG_FLAG |
  CLIENT.ODBC |
  CLIENT.LOCAL_FILES |
  CLIENT.INTERACTIVE |
  CLIENT.IGNORE_SIGPIPE |
  CLIENT.TRANSACTIONS |
  CLIENT.RESERVED |
  CLIENT.CAN_HANDLE_EXPIRED_PASSWORDS;

/** Never COMPRESS, ZSTD, OPTIONAL_RESULTSET_METADATA (a parser's burden; clients do without) and MULTI_FACTOR_AUTHENTICATION (asks people for what we never use). */
const offered = LEG_BITS | CHOICE_BITS | MILD_BITS;
/** What not every server in use has; promised only when all are known to. */
const late = CLIENT.QUERY_ATTRIBUTES | CLIENT.DEPRECATE_EOF | CLIENT.SESSION_TRACK;
/** EXTENDED_METADATA and CACHE_METADATA change the packets of results, so they stay out. */
export const EXTENDED_CHOICE_BITS =
  MARIADB_CLIENT.PROGRESS | MARIADB_CLIENT.STMT_BULK_OPERATIONS | MARIADB_CLIENT.BULK_UNIT_RESULTS;

/** Known to every client and server of either kind. */
const utf8mb4GeneralCi = 45;

function greet(
  servers: readonly ServerFacts[],
  options: { readonly serverVersion: string; readonly random: RandomBytes },
): Buffer {
  return encodePacket(0, encodeGreeting(makeGreeting(servers, { ...options, tls: true })));
}

function understand(bytes: Buffer): ServerFirstAnswer {
  if (bytes.length < HEADER_BYTES + 4) return { type: 'more', need: HEADER_BYTES + 4 };
  const length = bytes.readUIntLE(0, 3);
  const whole = HEADER_BYTES + length;
  if (bytes.readUInt8(3) !== 1)
    return {
      type: 'malformed',
      reason: `a packet with sequence ${bytes.readUInt8(3)} in answer to the greeting, expected 1`,
    };
  if (whole > maxAnswerBytes || length < 4)
    return { type: 'malformed', reason: `a packet of ${length} bytes in answer to the greeting` };
  const flags = bytes.readUInt32LE(HEADER_BYTES);
  const modern = has(flags, CLIENT.PROTOCOL_41);
  if (modern && has(flags, CLIENT.SSL)) {
    if (length !== sslRequestBytes)
      return { type: 'malformed', reason: `a request for TLS of ${length} bytes, expected ${sslRequestBytes}` };
    return bytes.length < whole ? { type: 'more', need: whole } : { type: 'tls', length: whole };
  }
  if (bytes.length < whole) return { type: 'more', need: whole };
  return { type: 'plaintext', answer: encodePacket(2, encodeErr(errorOf(noTls), { sqlState: modern })) };
}

const noTls: Refusal = {
  reason: 'no-tls',
  message: 'TLS is required',
  hint: 'use ssl-mode=VERIFY_IDENTITY (MariaDB: ssl-verify-server-cert) with the certificate that "tsh db login" made',
};

const sslRequestBytes = 32;
const maxAnswerBytes = 16 * 1024;

/** What servers have in common, and what to offer in a greeting of either kind. */
type Common = {
  readonly version: string | undefined;
  readonly asMysql: LegCapabilities;
  readonly asMariadb: LegCapabilities;
};

/** By the list itself: whoever connects is greeted, and one agent can announce ten thousand servers of which no two are alike. */
const commons = new WeakMap<readonly ServerFacts[], Common>();

function commonOf(servers: readonly ServerFacts[]): Common {
  const known = commons.get(servers);
  if (known !== undefined) return known;
  const common = {
    version: agreed(servers.map((server) => server.serverVersion)),
    asMysql: offerFor(servers, false),
    asMariadb: offerFor(servers, true),
  };
  commons.set(servers, common);
  return common;
}

function offerFor(servers: readonly ServerFacts[], mariadb: boolean): LegCapabilities {
  const known = servers.map((server) => parseCapabilities(server.capabilities));
  let flags = offered;
  let extended: number = mariadb && known.length > 0 ? EXTENDED_CHOICE_BITS : 0;
  if (known.length === 0) flags &= ~late;
  for (const [index, can] of known.entries()) {
    flags &= LEG_BITS | MILD_BITS | (can?.flags ?? ~late);
    extended &= isMariadb(servers[index]?.serverVersion ?? '') ? (can?.extended ?? 0) : 0;
  }
  // MariaDB's own way: bit 0 is set by those who have no extended capabilities, and only then are the bytes of those looked at.
  if (extended !== 0) flags &= ~CLIENT.LONG_PASSWORD;
  return { flags: flags >>> 0, extended };
}

function agreed(versions: readonly (string | undefined)[]): string | undefined {
  const [first] = versions;
  return versions.every((version) => version === first) ? first : undefined;
}

/** Readable by clients that take it for text: no zero, and no `$`, which servers avoid too. */
function scrambleOf(random: Buffer): Buffer {
  return Buffer.from(random.map((byte) => readable(byte & 0x7f)));
}

function readable(byte: number): number {
  return byte === 0 || byte === 0x24 ? byte + 1 : byte;
}

function hex(bits: number): string {
  return (bits >>> 0).toString(16).padStart(8, '0');
}
