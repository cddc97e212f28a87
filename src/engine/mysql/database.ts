import type { OkPacket } from '../../protocol/mysql/ok.ts';

/** A signed-in connection to MySQL or MariaDB; `DatabaseConnection.details` of this engine. */
export class MysqlDatabase {
  /** CLIENT bits agreed on with the database: the client's choice, CLIENT.SESSION_TRACK when the server has it, and what signing in took. */
  readonly capabilities: number;
  /** MARIADB_CLIENT bits agreed on with the database. */
  readonly extended: number;
  readonly flavour: 'mysql' | 'mariadb';
  /** SERVER_STATUS bits after sign-in. */
  readonly status: number;
  /** The OK that ended the sign-in, for the session state in it. Its info text describes another TLS connection than the client's: never forwarded. */
  readonly ok: OkPacket;
  /** Bytes behind that OK, not yet consumed. */
  readonly early: Buffer;

  constructor(fields: MysqlDatabaseFields) {
    this.capabilities = fields.capabilities;
    this.extended = fields.extended;
    this.flavour = fields.flavour;
    this.status = fields.ok.status;
    this.ok = fields.ok;
    this.early = fields.early;
  }
}

/** What a connection's details are made of. */
export type MysqlDatabaseFields = Omit<{ readonly [Name in keyof MysqlDatabase]: MysqlDatabase[Name] }, 'status'>;
