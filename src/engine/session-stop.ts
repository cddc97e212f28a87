import type { Recorder } from '../audit/recorder.ts';
import type { Log } from '../telemetry/log.ts';
import type { DatabaseConnection, Refusal, RelayCounters } from './engine.ts';
import { askToStop } from './relay-ending.ts';
import { recordKilled } from './session-events.ts';
import type { StopSession } from './session-ids.ts';

/** The live session that is to be stopped from outside. */
export type StoppableSession = {
  readonly databaseUser: string;
  readonly recorder: Recorder;
  /** Puts what is recorded into the journal, now or when there is room. */
  readonly commit: () => void;
  readonly database: Pick<DatabaseConnection, 'cancel' | 'canCancel'>;
  readonly counters: Pick<RelayCounters, 'running'>;
  /** Ends the session in the protocol's words. */
  readonly end: (refusal: Refusal) => void;
  readonly log: Log;
};

/**
 * What another session of the person may do to this one: stop the running statement, or end it. What can not be recorded is not done. A session that runs nothing is left alone, as the next
 * statement would be hit; one cancel is under way at a time, so many orders open no more than one connection to the database. A session whose credentials are over can not be stopped from here, so
 * who asks is to do it. MySQL's KILL QUERY names no statement: one that ends between the order and the KILL is followed by another, which is hit instead, here as with a direct connection.
 */
export function stopOf(session: StoppableSession): StopSession {
  const { databaseUser, recorder, database, counters, end, log } = session;
  let cancelling = false;
  const cancel = async (): Promise<void> => {
    cancelling = true;
    const failed = await askToStop(database);
    cancelling = false;
    if (failed !== undefined) log.warn({ err: failed }, `a running statement could not be stopped: ${failed.message}`);
  };
  return (order) => {
    if (order.databaseUser !== undefined && order.databaseUser !== databaseUser) {
      log.info(
        { asked_by: order.sessionId },
        'a KILL was not followed: it is by a certificate for another database user',
      );
      return 'here';
    }
    const { running } = counters;
    const by = running > 0 && database.canCancel?.() === false ? 'asker' : 'here';
    try {
      recordKilled(recorder, order, { running, by });
      session.commit();
    } catch (error) {
      log.error({ err: error }, 'a KILL was not followed: it could not be recorded');
      return 'here';
    }
    if (order.what === 'connection') end(killed);
    else if (by === 'here' && running > 0 && !cancelling) void cancel();
    return by;
  };
}

const killed: Refusal = {
  reason: 'killed',
  message: 'Query execution was interrupted',
  hint: 'KILL in another session of yours ended this one',
};
