import { ProtocolError } from '../../errors.ts';

/** What no server may send. Each ends the session. */

/** Something other than an error while nothing is outstanding. */
export function unasked(): ProtocolError {
  return new ProtocolError('MYSQL_ANSWER_UNASKED', "mysql: the database's packet answers nothing that was asked");
}

/** Packets were lost, or doubled. */
export function wrongSequence(got: number, expected: number): ProtocolError {
  return new ProtocolError(
    'MYSQL_ANSWER_SEQUENCE',
    `mysql: the database's packet has the sequence number ${got}, expected ${expected}`,
  );
}

/** An empty packet, which is no answer and no row. */
export function emptyPacket(phase: string): ProtocolError {
  return new ProtocolError('MYSQL_ANSWER_EMPTY', `mysql: the database's packet is empty in the phase ${phase}`);
}

/** The database answers while it still is to read the client's file. */
export function beforeFile(): ProtocolError {
  return new ProtocolError(
    'MYSQL_ANSWER_BEFORE_FILE',
    "mysql: the database's packet comes before the end of the file that it asked for",
  );
}

/** No EOF where the capabilities want one. */
export function noEof(first: number | undefined): ProtocolError {
  return new ProtocolError(
    'MYSQL_ANSWER_NO_EOF',
    `mysql: the database's packet behind column definitions begins with ${first}, expected an EOF`,
  );
}

/** An EOF of no known length. */
export function badEof(got: number, expected: number): ProtocolError {
  return new ProtocolError('MYSQL_ANSWER_BAD_EOF', `mysql: the database's EOF has ${got} bytes, expected ${expected}`);
}

/** An answer that is none of those that the command can have. */
export function badHeader(command: string, first: number | undefined): ProtocolError {
  return new ProtocolError(
    'MYSQL_ANSWER_BAD_HEADER',
    `mysql: the database's answer to ${command} begins with ${first}, expected an OK or EOF`,
  );
}
