import type { Recorder } from '../audit/recorder.ts';
import type { Log } from '../telemetry/log.ts';
import type { DatabaseConnection, Refusal, RelayCounters } from './engine.ts';
import { recordKilled } from './session-events.ts';
import type { StopSession } from './session-ids.ts';

/** The live session that is to be stopped from outside. */
export type StoppableSession = {
  readonly databaseUser: string;
  readonly recorder: Recorder;
  /** Puts what is recorded into the journal, now or when there is room. */
  readonly commit: () => void;
  readonly database: Pick<DatabaseConnection, 'cancel'>;
  readonly counters: Pick<RelayCounters, 'running'>;
  /** Ends the session in the protocol's words. */
  readonly end: (refusal: Refusal) => void;
  readonly log: Log;
};

/**
 * What another session of the person may do to this one: stop the running statement, or end it. What can not be recorded is not done. A session that runs nothing is left alone, as the next
 * statement would be hit; one cancel is under way at a time, so many orders open no more than one connection to the database.
 */
export function stopOf(session: StoppableSession): StopSession {
  const { databaseUser, recorder, database, counters, end, log } = session;
  let cancelling = false;
  return (order) => {
    if (order.databaseUser !== undefined && order.databaseUser !== databaseUser) {
      log.info(
        { asked_by: order.sessionId },
        'a KILL was not followed: it is by a certificate for another database user',
      );
      return;
    }
    const { running } = counters;
    try {
      recordKilled(recorder, order, running);
      session.commit();
    } catch (error) {
      log.error({ err: error }, 'a KILL was not followed: it could not be recorded');
      return;
    }
    if (order.what === 'connection') end(killed);
    else if (running > 0 && !cancelling) {
      cancelling = true;
      void database.cancel().finally(() => (cancelling = false));
    }
  };
}

const killed: Refusal = {
  reason: 'killed',
  message: 'Query execution was interrupted',
  hint: 'KILL in another session of yours ended this one',
};
