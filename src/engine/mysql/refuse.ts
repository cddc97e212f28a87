import { CLIENT, has } from '../../protocol/mysql/capabilities.ts';
import { encodeErr } from '../../protocol/mysql/err.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import type { ServerError } from '../../protocol/mysql/records.ts';
import type { Channel } from '../../wire/channel.ts';
import type { AccessRequest, Refusal } from '../engine.ts';
import { lastAnswer } from '../last-answer.ts';
import { MysqlRequest } from './request.ts';

/** See `Engine.refuse`. Without a request the client is taken for one that answered our greeting inside TLS, as nobody else is refused so early. */
export async function refuseMysql(
  client: Channel,
  request: AccessRequest | undefined,
  refusal: Refusal,
): Promise<void> {
  const { details } = request ?? {};
  const asked = details instanceof MysqlRequest ? details : undefined;
  const sqlState = asked === undefined || has(asked.clientCapabilities, CLIENT.PROTOCOL_41);
  await lastAnswer(client, encodeRefusal(refusal, asked?.sequence ?? afterResponseInTls, { sqlState }));
}

/**
 * The refusal as one ERR packet with this sequence number. `sqlState: false` for a client that has not agreed to protocol 4.1: it would take the SQLSTATE for text.
 */
export function encodeRefusal(
  refusal: Refusal,
  sequence: number,
  options: { readonly sqlState: boolean } = { sqlState: true },
): Buffer {
  return encodePacket(sequence, encodeErr(errorOf(refusal), options));
}

/**
 * The refusal as MySQL says errors: one number, one SQLSTATE, one text, in which detail and hint have lines of their own. The text is cut to the 511 bytes that libmysqlclient keeps, the hint last
 * of all: it says what to do.
 */
export function errorOf(refusal: Refusal): ServerError {
  return { ...codeOf(refusal), message: textOf(refusal) };
}

/** The database's own codes when it was the database that refused. */
function codeOf({ reason, databaseCode }: Refusal): Omit<ServerError, 'message'> {
  const own = databaseCode === undefined ? null : /^(\d{1,5})\/([0-9A-Z]{5})$/.exec(databaseCode);
  const code = Number(own?.[1] ?? 0);
  if (own?.[2] !== undefined && isServerCode(code)) return { code, sqlState: own[2] };
  const [number, sqlState] = codes[reason];
  return { code: number, sqlState };
}

/** As `Refusal.databaseCode` holds it: `1045/28000`. */
export function databaseCodeOf({ code, sqlState }: Omit<ServerError, 'message'>): string {
  return `${code}/${sqlState}`;
}

/** 2000 to 2999 and 5000 to 5999 are the client libraries' own: an ERR with one of them counts as malformed. 0xffff is MariaDB's progress report. */
function isServerCode(code: number): boolean {
  return code >= 1000 && code < 0xffff && !(code >= 2000 && code <= 2999) && !(code >= 5000 && code <= 5999);
}

const accessDenied = [1045, '28000'] as const;
/** What pools and drivers take for "this server is not to be had now": they try again, or elsewhere. */
const notNow = [1053, '08S01'] as const;

/** Error number and SQLSTATE by reason; a new reason does not compile until it is here. */
const codes: Readonly<Record<Refusal['reason'], readonly [number, string]>> = {
  'no-tls': [3159, 'HY000'],
  'no-certificate': accessDenied,
  'bad-certificate': accessDenied,
  'certificate-expired': accessDenied,
  'wrong-route': accessDenied,
  'wrong-source-address': accessDenied,
  'session-mfa-required': accessDenied,
  'access-denied': accessDenied,
  'replication-denied': [1227, '42000'],
  locked: accessDenied,
  'stale-locks': notNow,
  'unknown-database': [1049, '42000'],
  'no-agent': notNow,
  'database-unreachable': notNow,
  'database-refused': accessDenied,
  'protocol-error': [1835, 'HY000'],
  unsupported: [1235, '42000'],
  'too-many-connections': [1040, '08004'],
  'audit-unavailable': notNow,
  idle: [4031, 'HY000'],
  killed: [1317, '70100'],
  shutdown: notNow,
  internal: [1105, 'HY000'],
};

/** The greeting has 0, SSLRequest 1, the response inside TLS 2. */
const afterResponseInTls = 3;

function textOf({ message, detail, hint }: Refusal): string {
  const last = hint === undefined ? '' : `\nhint: ${cut(sound(hint), maxHintBytes)}`;
  const room = maxTextBytes - Buffer.byteLength(last);
  const first = cut(detail === undefined ? sound(message) : `${sound(message)}\n${sound(detail)}`, room);
  return first + last;
}

function sound(text: string): string {
  return text.replaceAll('\0', '');
}

/** To so many bytes of UTF-8, not through a character. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

/** MYSQL_ERRMSG_SIZE without its zero. */
const maxTextBytes = 511;
const maxHintBytes = 255;
