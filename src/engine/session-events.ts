import { boundText } from '../audit/bound-text.ts';
import type { FieldsOf } from '../audit/event.ts';
import type { Recorder } from '../audit/recorder.ts';
import type { ProtocolError } from '../errors.ts';
import type { DatabaseProtocol } from '../resource/identity.ts';
import type { AccessRequest, Closed, DatabaseConnection, Refusal, RelayCounters } from './engine.ts';
import type { StopOrder } from './session-ids.ts';

/** The events of a session that do not depend on the protocol. Each is buffered: the caller commits. */

/** The person is allowed in; the database is about to be asked. */
export function recordStart(recorder: Recorder, request: AccessRequest): void {
  recorder.write('db.session.start', 'TDB00I', {
    success: true,
    ...(request.replication === 'none' ? {} : { replication: request.replication }),
    ...startupParameters(request.parameters),
  });
}

/** Values one by one, so that a cut one says so; the start-up packet's own limit bounds how many there are. */
function startupParameters(parameters: AccessRequest['parameters']): Readonly<Record<string, unknown>> {
  const entries = Object.entries(parameters).map(([name, value]) => {
    const { text, cut } = boundText(value, maxParameterBytes);
    return [name, cut === undefined ? text : `${text} [cut: ${cut.bytes} bytes, SHA-256 ${cut.sha256}]`] as const;
  });
  return entries.length === 0 ? {} : { startup_parameters: Object.fromEntries(entries) };
}

const maxParameterBytes = 1024;

/** The person was turned away, or the database could not be had. */
export function recordStartFailed(recorder: Recorder, refusal: Refusal, audit: string): void {
  recorder.write('db.session.start', 'TDB00W', {
    success: false,
    error: audit,
    message: refusal.message,
    reason: refusal.reason,
    ...(refusal.databaseCode === undefined ? {} : { error_code: refusal.databaseCode }),
  });
}

/** `max_connections` is used up. */
export function recordRejected(recorder: Recorder, maximum: number): void {
  recorder.write('session.rejected', 'T1006W', { reason: 'max_connections limit reached', maximum });
}

/** We ended the session: idle, expiry, lock, shutdown, a limit. `mayRunOn`: a statement ran, and could not be stopped. */
export function recordDisconnect(recorder: Recorder, refusal: Refusal, mayRunOn: boolean): void {
  const { reason, message } = refusal;
  recorder.write('client.disconnect', 'T3006I', {
    reason,
    message,
    ...(mayRunOn ? { statement_may_run_on: true } : {}),
  });
}

/**
 * Another session of the person, at another agent, asked to stop what this one runs, or to end it. `running`: statements that the database had to answer then. `by`: which agent asks the database to
 * stop them, when there are any.
 */
export function recordKilled(
  recorder: Recorder,
  order: StopOrder,
  { running, by }: { readonly running: number; readonly by: 'here' | 'asker' },
): void {
  recorder.write('db.session.killed', 'TDB11I', {
    kill: order.what,
    process_id: order.shownId,
    running,
    ...(running === 0 ? {} : { stopped_by: by === 'here' ? 'this_agent' : 'asking_agent' }),
    killed_by_sid: order.sessionId,
    killed_by_addr: order.clientAddress,
  });
}

/** One side sent what its protocol does not allow: why, and how the bytes begin that were not forwarded. */
export function recordMalformed(
  recorder: Recorder,
  error: ProtocolError,
  { chunk, from }: { readonly chunk: Buffer; readonly from: 'client' | 'database' },
): void {
  recorder.write('db.session.malformed_packet', 'TDB06I', {
    error: error.message,
    error_code: error.code,
    from,
    payload: chunk.subarray(0, maxMalformedBytes).toString('base64'),
  });
}

const maxMalformedBytes = 512;

/** The session is over. */
export function recordEnd(recorder: Recorder, closed: Closed, end: SessionEnd): void {
  recorder.write('db.session.end', 'TDB01I', {
    start_time: new Date(end.startedMs).toISOString(),
    end_time: new Date(end.endedMs).toISOString(),
    closed_by: closed.by,
    ...(closed.refusal === undefined ? {} : { reason: closed.refusal.reason }),
    ...backendField(end),
    ...(end.database?.serverVersion === undefined ? {} : { db_server_version: end.database.serverVersion }),
    statements: end.counters.statements,
    bytes_from_client: end.counters.bytesFromClient,
    bytes_from_database: end.counters.bytesFromDatabase,
  });
}

export type SessionEnd = {
  readonly startedMs: number;
  readonly endedMs: number;
  readonly counters: RelayCounters;
  readonly database: DatabaseConnection | undefined;
  readonly protocol: DatabaseProtocol;
};

/** The database's own number of the session, under the name that it has with that database. */
function backendField({ protocol, database }: SessionEnd): Readonly<Record<string, number>> {
  const name = backendFields[protocol];
  return name === undefined || database?.backendId === undefined ? {} : { [name]: database.backendId };
}

const backendFields: { readonly [P in DatabaseProtocol]?: keyof FieldsOf<'TDB01I'> } = {
  postgres: 'postgres_pid',
  mysql: 'mysql_connection_id',
};
