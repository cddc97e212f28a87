import { type AuditEvent, numberAt, textAt } from '../../parts/events/event.ts';
import type { SessionFacts } from './story.ts';

/** A session that is over, or never began. */
export type PastSession = SessionFacts & {
  readonly event: AuditEvent;
  readonly durationMs: number | undefined;
  readonly statements: number | undefined;
  readonly bytes: number | undefined;
  /** `ended` by client or database, `cut` by Tessera, `refused` before it began. */
  readonly how: 'ended' | 'cut' | 'refused';
  readonly reason: string;
};

/** The codes that stand for one past session each: its end, or its refusal. */
export const PAST_CODES: readonly string[] = ['TDB01I', 'TDB00W'];

/** Newest first as the events come. A connection that the database refused has both codes: its refusal stands for it. */
export function pastSessions(events: readonly AuditEvent[]): readonly PastSession[] {
  const refused = new Set(events.filter(({ code }) => code === 'TDB00W').map(({ session }) => session));
  return events
    .filter(({ code, session }) => code === 'TDB00W' || session === '' || !refused.has(session))
    .map(pastSession);
}

/** Of an event with one of {@link PAST_CODES}. */
function pastSession(event: AuditEvent): PastSession {
  const { fields } = event;
  const refused = event.code === 'TDB00W';
  const startedMs = refused ? event.timeMs : Date.parse(textAt(fields, 'start_time'));
  const known = Number.isFinite(startedMs);
  const [sent, received] = [numberAt(fields, 'bytes_from_client'), numberAt(fields, 'bytes_from_database')];
  const reason = textAt(fields, 'reason');
  return {
    session: event.session,
    event,
    user: event.user,
    database: event.database,
    protocol: textAt(fields, 'db_protocol'),
    databaseUser: textAt(fields, 'db_user'),
    databaseName: textAt(fields, 'db_name'),
    address: textAt(fields, 'addr.remote'),
    startedMs: known ? startedMs : event.timeMs,
    durationMs: refused || !known ? undefined : Math.max(0, event.timeMs - startedMs),
    statements: numberAt(fields, 'statements'),
    bytes: sent === undefined && received === undefined ? undefined : (sent ?? 0) + (received ?? 0),
    how: refused ? 'refused' : reason === '' ? 'ended' : 'cut',
    reason: refused ? textAt(fields, 'message') || textAt(fields, 'error') : reason,
  };
}
