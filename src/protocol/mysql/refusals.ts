import type { ServerError } from './records.ts';

/** A command that Tessera does not pass on (or nobody knows); the session goes on. */
export function unknownCommand(what: string, instead?: string): ServerError {
  const advice = instead === undefined ? '' : `; ${instead}`;
  return {
    code: 1047,
    sqlState: '08S01',
    message: `Unknown command: ${what} is not supported through Tessera${advice}`,
  };
}

/** A command that replicas and cluster members use. */
export function replicationCommand(what: string): ServerError {
  return {
    code: 1227,
    sqlState: '42000',
    message: `Access denied; ${what} is not supported through Tessera: replication needs a connection of its own to the database`,
  };
}

/** A command whose parts can not be told from one another. */
export function malformedCommand(what: string): ServerError {
  return { code: 1835, sqlState: 'HY000', message: `Malformed communication packet: ${what}` };
}

/** A KILL of a number that Tessera made and that is no live session of this person here, where the other agents can not be asked. */
export function unknownThread(id: number): ServerError {
  const advice = 'not at this database service; send the KILL alone over a new connection';
  return { code: 1094, sqlState: 'HY000', message: `Unknown thread id: ${id}: ${advice}` };
}

/** LOAD DATA LOCAL without permission, in the words of the server. */
export function localInfileRefused(flavour: 'mysql' | 'mariadb'): ServerError {
  return flavour === 'mariadb'
    ? {
        code: 4166,
        sqlState: 'HY000',
        message:
          'The used command is not allowed because the MariaDB server or client has disabled the local infile capability',
      }
    : {
        code: 3948,
        sqlState: '42000',
        message: 'Loading local data is disabled; this must be enabled on both the client and server sides',
      };
}

/** The database asks for a file that the statement did not speak of. */
export function fileNotAskedFor(flavour: 'mysql' | 'mariadb'): ServerError {
  const { code, sqlState } = localInfileRefused(flavour);
  return {
    code,
    sqlState,
    message: 'The database asked for a local file where the statement does not show LOAD DATA LOCAL; the session ends',
  };
}

/** A command whose end may not be waited for. */
export function commandTooLong(what: string, maxHeldBytes: number): ServerError {
  return {
    code: 1153,
    sqlState: '08S01',
    message: `Got a packet bigger than allowed: ${what} of more than maxHeldBytes ${maxHeldBytes} bytes can not be checked`,
  };
}

/** A name that can not be compared, as its character set is not known. */
export function unreadableDatabaseName(): ServerError {
  return { code: 1044, sqlState: '42000', message: 'Access denied to database: its name is not readable as UTF-8' };
}

/** The session stands in a database it may not use, and can not be led back. */
export function lostDatabase(cause: ServerError): ServerError {
  return { ...cause, message: `${cause.message}; the session ends` };
}

/** A text that would end the database's reports of its default database. */
export function trackingRefused(): ServerError {
  return {
    code: 1227,
    sqlState: '42000',
    message: 'Access denied; session_track_schema can not be changed through Tessera, which goes by it',
  };
}

/** The database does not tell its default database, so nobody knows where the session stands. */
export function trackingLost(): ServerError {
  return {
    code: 1227,
    sqlState: '42000',
    message: 'The database does not tell its default database (session_track_schema is off); the session ends',
  };
}
