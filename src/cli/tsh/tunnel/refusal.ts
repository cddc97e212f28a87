import { encodeServerMessage } from '../../../protocol/postgres/server-messages.ts';

/** Why a connection to a local endpoint can not go on, in words for the person behind the native client. */
export type Refusal = {
  readonly reason: RefusalReason;
  /** Lower case, no full stop. */
  readonly message: string;
  /** What to do. */
  readonly hint: string;
};
export type RefusalReason = 'signed-out' | 'denied' | 'unreachable' | 'too-many-connections';

/** Thrown where a connection is refused; the endpoint says it to the client. */
export class TunnelRefused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, cause?: unknown) {
    super(`${refusal.message}; ${refusal.hint}`, cause === undefined ? undefined : { cause });
    this.refusal = refusal;
  }
}

/** A whole ErrorResponse, FATAL. https://www.postgresql.org/docs/current/protocol-error-fields.html */
export function postgresRefusal({ reason, message, hint }: Refusal): Buffer {
  return encodeServerMessage({
    type: 'ErrorResponse',
    fields: new Map([
      ['S', 'FATAL'],
      ['V', 'FATAL'],
      ['C', SQL_STATES[reason]],
      ['M', bounded(message)],
      ['H', bounded(hint)],
    ]),
  });
}

/**
 * An ERR packet in place of the server's greeting: u24le length | seq 0 | ff | u16le code | message. Without `#sqlstate`, which clients print as text before they
 * know the server's capabilities. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html
 */
export function mysqlRefusal({ reason, message, hint }: Refusal): Buffer {
  const text = Buffer.from(`${bounded(message)}\n${bounded(hint)}`, 'utf8');
  const packet = Buffer.alloc(7 + text.length);
  packet.writeUIntLE(3 + text.length, 0, 3);
  packet.writeUInt8(0xff, 4);
  packet.writeUInt16LE(MYSQL_CODES[reason], 5);
  text.copy(packet, 7);
  return packet;
}

/** A NUL would end the text early. */
function bounded(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_TEXT);
}

/** maxRefusalLength, characters. */
const MAX_TEXT = 1000;
/** invalid_authorization_specification, sqlclient_unable_to_establish_sqlconnection, too_many_connections. */
const SQL_STATES: Readonly<Record<RefusalReason, string>> = {
  'signed-out': '28000',
  denied: '28000',
  unreachable: '08001',
  'too-many-connections': '53300',
};
/** ER_ACCESS_DENIED_ERROR, ER_UNKNOWN_ERROR, ER_CON_COUNT_ERROR: 2000 to 2999 are the clients' own. */
const MYSQL_CODES: Readonly<Record<RefusalReason, number>> = {
  'signed-out': 1045,
  denied: 1045,
  unreachable: 1105,
  'too-many-connections': 1040,
};
