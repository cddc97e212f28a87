import { type AuditEvent, boundValues, numberAt, statementOf, textAt } from '../../parts/events/event.ts';

/** One thing that the client asked of the database, with what came of it. */
export type Entry = {
  readonly event: AuditEvent;
  readonly index: number;
  /** Milliseconds since the session began. */
  readonly offsetMs: number;
  /** Empty for commands without a text. */
  readonly sql: string | undefined;
  readonly values: readonly string[] | undefined;
  readonly answer: Answer | undefined;
};

/** `waiting`: no result is on record (yet). `note`: an event that has no answer, such as a Parse or a session ended by Tessera. */
export type EntryState = 'done' | 'failed' | 'refused' | 'waiting' | 'note';

export type Answer = {
  readonly event: AuditEvent;
  readonly ok: boolean;
  /** Refused by Tessera; the database never had it. */
  readonly refused: boolean;
  readonly outcome: string;
  readonly command: string;
  readonly rows: number | undefined;
  readonly bytes: number | undefined;
  readonly durationMs: number | undefined;
  readonly databaseMs: number | undefined;
  readonly error: string;
  readonly errorCode: string;
};

/** Who was where, and since when. */
export type SessionFacts = {
  readonly session: string;
  readonly user: string;
  readonly database: string;
  readonly protocol: string;
  readonly databaseUser: string;
  readonly databaseName: string;
  readonly address: string;
  readonly startedMs: number;
};

/** A session as its events tell it. */
export type Story = SessionFacts & {
  /** Absent while it goes on, or when its end is not on record. */
  readonly endedMs: number | undefined;
  readonly refused: boolean;
  readonly reason: string;
  /** Who put the lock on this session that ended it, and what they said; absent when nobody did, or it is not on record. */
  readonly terminated: { readonly by: string; readonly message: string } | undefined;
  readonly entries: readonly Entry[];
  readonly totals: Totals;
};

export type Totals = {
  readonly statements: number;
  readonly failed: number;
  readonly rows: number;
  readonly databaseMs: number;
  readonly bytesFromClient: number | undefined;
  readonly bytesFromDatabase: number | undefined;
};

/** Puts a session's events in order and every answer beside its question. Undefined when there are none. */
export function storyOf(events: readonly AuditEvent[]): Story | undefined {
  const ordered = inOrder([...new Map(events.map((event) => [event.uid, event])).values()]);
  const [first] = ordered;
  if (first === undefined) return undefined;
  const start = ordered.find(({ event }) => event === 'db.session.start') ?? first;
  const refusal = ordered.find(({ code }) => code === 'TDB00W');
  const end = ordered.findLast(({ event }) => event === 'db.session.end');
  const began = Date.parse(textAt(end?.fields, 'start_time'));
  const startedMs = start.event === 'db.session.start' || Number.isNaN(began) ? start.timeMs : began;
  const entries = entriesOf(ordered, startedMs);
  return {
    session: first.session,
    user: first.user,
    database: first.database,
    protocol: textAt(first.fields, 'db_protocol'),
    databaseUser: textAt(start.fields, 'db_user'),
    databaseName: textAt(start.fields, 'db_name'),
    address: textAt(start.fields, 'addr.remote'),
    startedMs,
    endedMs: end?.timeMs,
    refused: refusal !== undefined,
    reason: reasonOf(refusal, end),
    terminated: terminatedBy(ordered),
    entries,
    totals: totalsOf(entries, end),
  };
}

/** The session's own events as its agent counted them; what others did to it (a lock) where its time falls. */
function inOrder(events: readonly AuditEvent[]): readonly AuditEvent[] {
  const isOwn = ({ event }: AuditEvent): boolean => event.startsWith('db.session.');
  const ordered = events.filter(isOwn).toSorted((a, b) => a.index - b.index || a.timeMs - b.timeMs);
  for (const other of events.filter((event) => !isOwn(event)).toSorted((a, b) => a.timeMs - b.timeMs))
    ordered.splice(ordered.findLastIndex(({ timeMs }) => timeMs <= other.timeMs) + 1, 0, other);
  return ordered;
}

/** How an entry ended. */
export function stateOf(entry: Entry): EntryState {
  if (entry.answer !== undefined) return entry.answer.ok ? 'done' : entry.answer.refused ? 'refused' : 'failed';
  return ANSWERED.has(entry.event.event) ? 'waiting' : 'note';
}

function entriesOf(ordered: readonly AuditEvent[], startedMs: number): Entry[] {
  const entries: Entry[] = [];
  const byIndex = new Map<number, number>();
  for (const event of ordered) {
    if (FRAME.has(event.event)) continue;
    if (event.event === 'db.session.result') {
      const place = byIndex.get(numberAt(event.fields, 'query_ei') ?? -1);
      const asked = place === undefined ? undefined : entries[place];
      if (place !== undefined && asked !== undefined) {
        entries[place] = { ...asked, answer: answerOf(event) };
        continue;
      }
    }
    // The error of a statement whose own event is there: its result follows and says the same.
    if (event.event === 'db.session.query.failed' && isToldBefore(entries, event)) continue;
    byIndex.set(event.index, entries.length);
    entries.push(entryOf(event, startedMs));
  }
  return entries;
}

function entryOf(event: AuditEvent, startedMs: number): Entry {
  const isAnswer = event.event === 'db.session.query.failed' || event.event === 'db.session.result';
  return {
    event,
    index: event.index,
    offsetMs: Math.max(0, event.timeMs - startedMs),
    sql: statementOf(event) || undefined,
    values: boundValues(event),
    answer: isAnswer ? answerOf(event) : undefined,
  };
}

function isToldBefore(entries: readonly Entry[], failed: AuditEvent): boolean {
  if (textAt(failed.fields, 'refused') === 'true') return false;
  const text = statementOf(failed) ?? '';
  // Pipelined statements fail in order, so the one that is meant is among the last.
  return entries
    .slice(-LOOK_BACK)
    .some(
      (entry) =>
        ANSWERED.has(entry.event.event) &&
        (entry.answer === undefined || !entry.answer.ok) &&
        (entry.sql ?? '') === text &&
        (text !== '' || entry.event.event !== 'db.session.query'),
    );
}

function answerOf(event: AuditEvent): Answer {
  const { fields } = event;
  const failed = event.event === 'db.session.query.failed';
  return {
    event,
    ok: !event.refused,
    refused: textAt(fields, 'refused') === 'true',
    outcome: textAt(fields, 'outcome') || (failed ? 'failed' : ''),
    command: textAt(fields, 'command').replace(/( \d+)+$/, ''),
    rows: numberAt(fields, 'affected_records') ?? numberAt(fields, 'rows'),
    bytes: numberAt(fields, 'bytes'),
    durationMs: numberAt(fields, 'duration_ms'),
    databaseMs: numberAt(fields, 'database_ms'),
    error: textAt(fields, 'error') || textAt(fields, 'message'),
    errorCode: textAt(fields, 'error_code'),
  };
}

function totalsOf(entries: readonly Entry[], end: AuditEvent | undefined): Totals {
  const sum = (of: (entry: Entry) => number | undefined): number =>
    entries.reduce((total, entry) => total + (of(entry) ?? 0), 0);
  return {
    statements: numberAt(end?.fields, 'statements') ?? sum(({ event }) => (RUNS.has(event.event) ? 1 : 0)),
    failed: entries.filter(({ answer }) => answer !== undefined && !answer.ok).length,
    rows: sum(({ answer }) => answer?.rows),
    databaseMs: sum(({ answer }) => answer?.durationMs),
    bytesFromClient: numberAt(end?.fields, 'bytes_from_client'),
    bytesFromDatabase: numberAt(end?.fields, 'bytes_from_database'),
  };
}

function reasonOf(refusal: AuditEvent | undefined, end: AuditEvent | undefined): string {
  if (refusal !== undefined) return textAt(refusal.fields, 'message') || textAt(refusal.fields, 'error');
  const by = textAt(end?.fields, 'closed_by');
  return textAt(end?.fields, 'reason') || (by === '' ? '' : `closed by the ${by}`);
}

function terminatedBy(ordered: readonly AuditEvent[]): Story['terminated'] {
  const lock = ordered.find(({ event }) => event === 'lock.created');
  if (lock === undefined) return undefined;
  const message = textAt(lock.fields, 'message');
  // What the server writes where nothing was said.
  const isUnsaid = message === `ended by ${lock.user || 'an administrator'}`;
  return { by: lock.user || 'the Auth machine', message: isUnsaid ? '' : message };
}

/** What stands around the statements and is told in the heading. */
const FRAME: ReadonlySet<string> = new Set(['db.session.start', 'db.session.end']);
/** What runs a statement. */
const RUNS: ReadonlySet<string> = new Set([
  'db.session.query',
  'db.session.postgres.function',
  'db.session.mysql.statements.execute',
  'db.session.mysql.statements.bulk_execute',
]);
/** What the database gives an answer to that is on record. */
const ANSWERED: ReadonlySet<string> = new Set([
  ...RUNS,
  'db.session.postgres.statements.execute',
  'db.session.mysql.statements.prepare',
  'db.session.mysql.statements.reset',
  'db.session.mysql.statements.fetch',
  'db.session.mysql.init_db',
  'db.session.mysql.create_db',
  'db.session.mysql.drop_db',
  'db.session.mysql.process_kill',
  'db.session.mysql.refresh',
  'db.session.mysql.debug',
  'db.session.mysql.command',
]);
const LOOK_BACK = 64;
