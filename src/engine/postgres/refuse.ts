import { encodeServerMessage } from '../../protocol/postgres/server-messages.ts';
import type { Channel } from '../../wire/channel.ts';
import type { Refusal } from '../engine.ts';
import { lastAnswer } from '../last-answer.ts';

/** See `Engine.refuse`. */
export function refusePostgres(client: Channel, refusal: Refusal): Promise<void> {
  return lastAnswer(client, encodeRefusal(refusal));
}

/**
 * The refusal as a whole ErrorResponse: always FATAL, with the SQLSTATE that drivers act on . Texts are cut to 2,000 characters and lose their NULs, which would
 * end the field early.
 */
export function encodeRefusal(refusal: Refusal): Buffer {
  const { message, detail, hint } = refusal;
  const fields = new Map([
    ['S', 'FATAL'],
    ['V', 'FATAL'],
    ['C', sqlStateOf(refusal)],
    ['M', bounded(message)],
  ]);
  if (detail !== undefined) fields.set('D', bounded(detail));
  if (hint !== undefined) fields.set('H', bounded(hint));
  return encodeServerMessage({ type: 'ErrorResponse', fields });
}

/** The database's own code when it was the database that refused. */
export function sqlStateOf({ reason, databaseCode }: Refusal): string {
  return databaseCode !== undefined && /^[0-9A-Z]{5}$/.test(databaseCode) ? databaseCode : sqlStates[reason];
}

/** SQLSTATE by reason; a new reason does not compile until it is here. */
const sqlStates: Readonly<Record<Refusal['reason'], string>> = {
  'no-tls': '28000',
  'no-certificate': '28000',
  'bad-certificate': '28000',
  'certificate-expired': '28000',
  'wrong-route': '28000',
  'wrong-source-address': '28000',
  'session-mfa-required': '28000',
  'access-denied': '42501',
  'replication-denied': '42501',
  locked: '57P01',
  'stale-locks': '57P03',
  'unknown-database': '3D000',
  'no-agent': '57P03',
  'database-unreachable': '57P03',
  'database-refused': '28000',
  'protocol-error': '08P01',
  unsupported: '0A000',
  'too-many-connections': '53300',
  'audit-unavailable': '57P03',
  idle: '57P05',
  killed: '57P01',
  shutdown: '57P01',
  internal: 'XX000',
};

const maxTextLength = 2000;

function bounded(text: string): string {
  return text.replaceAll('\0', '').slice(0, maxTextLength);
}
