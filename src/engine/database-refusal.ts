import { UpstreamError } from '../errors.ts';

/** The database answered, and said no: its own code and words, which the client is shown. Texts are bounded by the engine that read them. */
export class DatabaseRefusal extends UpstreamError {
  /** SQLSTATE or the protocol's own. */
  readonly databaseCode: string;
  readonly databaseMessage: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;

  constructor(said: {
    readonly code: string;
    readonly message: string;
    readonly detail?: string | undefined;
    readonly hint?: string | undefined;
  }) {
    super('DATABASE_REFUSED', `the database refused the connection: ${said.message} (${said.code})`);
    this.databaseCode = said.code;
    this.databaseMessage = said.message;
    this.detail = said.detail;
    this.hint = said.hint;
  }
}
