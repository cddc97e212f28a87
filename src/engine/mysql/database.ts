/** A signed-in connection to MySQL or MariaDB; `DatabaseConnection.details` of this engine. */
export class MysqlDatabase {
  /** CLIENT bits agreed on with the database: the client's choice, CLIENT.SESSION_TRACK when the server has it, and what signing in took. */
  readonly capabilities: number;
  /** MARIADB_CLIENT bits agreed on with the database. */
  readonly extended: number;
  readonly flavour: 'mysql' | 'mariadb';
  /** SERVER_STATUS bits after sign-in. */
  readonly status: number;
  /** Session state that the database told with its OK, as `OkPacket.track` holds it, without redirection. */
  readonly track: Buffer | undefined;
  /** Bytes behind that OK, not yet consumed. */
  readonly early: Buffer;

  constructor(fields: MysqlDatabaseFields) {
    this.capabilities = fields.capabilities;
    this.extended = fields.extended;
    this.flavour = fields.flavour;
    this.status = fields.status;
    this.track = fields.track;
    this.early = fields.early;
  }
}

/** What a connection's details are made of. */
export type MysqlDatabaseFields = { readonly [Name in keyof MysqlDatabase]: MysqlDatabase[Name] };
