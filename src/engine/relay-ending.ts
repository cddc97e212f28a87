import type { Closed, DatabaseConnection, Refusal } from './engine.ts';

/** The journal fails, or gave up waiting for room. */
export const auditUnavailable: Refusal = {
  reason: 'audit-unavailable',
  message: 'the audit log can not take further statements now, so this session ends',
  hint: 'try again later, or tell your administrator',
};

/** Asks the database to stop what runs. Resolves with why it could not be asked; never rejects. */
export async function askToStop(database: Pick<DatabaseConnection, 'cancel'>): Promise<Error | undefined> {
  try {
    await database.cancel();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error('unknown fault');
  }
}

/** How a relay ended, with what became of the statement that was left running. `stopping`: of {@link askToStop}; undefined: none was. */
export async function withOutcome(closed: Closed, stopping: Promise<Error | undefined> | undefined): Promise<Closed> {
  const failed = await stopping;
  return failed === undefined ? closed : { ...closed, statementMayRunOn: failed };
}

/** How long a client may hang inside a message before a session that must end is cut. */
export const boundaryWaitMs = 2000;
