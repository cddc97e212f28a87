/** One session's pen in the audit journal. Events are built and written synchronously; nothing here awaits. */
export interface Recorder {
  readonly sessionId: string;
  /**
   * Writes one event of this session: `fields` are its own fields beside the session's constant ones (user, database, sid, ...), which were
   * serialised once. Buffered until `commit`. Assigns `uid`, `ei` and `time`. Returns the event's index (`ei`).
   */
  write(event: string, code: string, fields: Readonly<Record<string, unknown>>): number;
  /**
   * The hot path: a statement's event whose fields are already JSON text (`"db_query":"..."`, no braces), so that text escaped once at
   * Parse is not escaped again at Execute.
   */
  writeSerialized(event: string, code: string, fieldsJson: string): number;
  /** From here on events carry `name` as `db_name`: the session's default database is another one now (empty: none). What is buffered already keeps the old one. */
  useDatabase(name: string): void;
  /**
   * Puts all buffered events into the journal with one synchronous write to the page cache. Must be called, and have returned `written`, before the bytes that
   * carry a recorded statement are forwarded. `full`: the journal is at its limit; hold the bytes, pause the client and call again from
   * `onSpace`; after the configured wait the session ends with reason `audit-unavailable`. Throws StorageError when the disk fails: end the session.
   */
  commit(): 'written' | 'full';
  /** Calls back once when `commit` may succeed again, or with `gave-up` after the configured wait. */
  onSpace(callback: (outcome: 'space' | 'gave-up') => void): void;
  /** With `journal_sync: always`, resolves when all committed events are on disk; undefined otherwise (the default), so the hot path does not await. */
  synced(): Promise<void> | undefined;
}
