import type { AuthConnection } from '../../rpc/client.ts';
import type { Outcome } from '../command.ts';
import { UsageError } from '../failure.ts';
import type { Format } from '../format.ts';
import { printMachine, terminalSafe } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth, say, tell, visible } from '../io.ts';
import { withProgress } from '../progress.ts';
import { displayWidth, renderTable, truncate } from '../table.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';
import { eventSummary } from './event-summary.ts';
import { parseJson, textAt } from './json.ts';

export type SearchOptions = {
  /** RFC 3339. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly user?: string | undefined;
  readonly db?: string | undefined;
  readonly session?: string | undefined;
  readonly event?: readonly string[] | undefined;
  readonly text?: string | undefined;
  readonly limit: number;
  readonly format: Format;
  readonly follow?: boolean | undefined;
};

/** Prints audit events, oldest first; with `follow` goes on with new ones until Ctrl-C. */
export async function searchAudit(io: Io, globals: Globals, options: SearchOptions): Promise<Outcome> {
  if (options.follow === true && options.to !== undefined) throw new UsageError('--follow has no --to');
  await withAuth(io, globals, async (connection) => {
    if (options.follow === true) {
      await follow(io, connection, options);
      return;
    }
    const events = await withProgress(io, 'searching', search(connection, options));
    // The newest are what was asked for; they read best in the order in which they happened.
    events.reverse();
    if (options.format === 'text') say(io, eventTable(io, events));
    else say(io, await printMachine(options.format, events));
    if (options.format === 'text' && events.length === 0) tell(io, 'no event matches');
    else if (events.length >= options.limit)
      tell(
        io,
        `the newest ${options.limit} only; more: --limit=${options.limit * 10}, or narrow it with --from and --to`,
      );
  });
}

function filterOf(options: SearchOptions): Parameters<AuthConnection['client']['searchAudit']>[0] & object {
  return {
    from: options.from ?? '',
    to: options.to ?? '',
    user: options.user ?? '',
    database: options.db ?? '',
    sessionId: options.session ?? '',
    events: [...(options.event ?? [])],
    text: options.text ?? '',
  };
}

async function search(connection: AuthConnection, options: SearchOptions): Promise<unknown[]> {
  const events: unknown[] = [];
  let cursor = '';
  do {
    const page = await connection.client.searchAudit({
      ...filterOf(options),
      limit: Math.min(PAGE, options.limit - events.length),
      cursor,
      descending: true,
    });
    for (const event of page.events) events.push(parseJson(event));
    cursor = page.nextCursor;
  } while (cursor !== '' && events.length < options.limit);
  return events;
}

async function follow(io: Io, connection: AuthConnection, options: SearchOptions): Promise<void> {
  if (options.format === 'text') tell(io, 'waiting for events; Ctrl-C ends');
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    for await (const batch of connection.client.followAudit({ filter: filterOf(options) }, { signal: stop.signal })) {
      for (const json of batch.events) {
        const event = parseJson(json);
        if (options.format === 'json') say(io, terminalSafe(json));
        else if (options.format === 'yaml') say(io, `---\n${await printMachine('yaml', event)}`);
        else say(io, eventLine(event, outputWidth(io)));
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

function eventLine(event: unknown, width: number | undefined): string {
  const head = [
    time(event),
    textAt(event, 'code'),
    textAt(event, 'event'),
    textAt(event, 'user'),
    textAt(event, 'db_service'),
  ].filter((part) => part !== '');
  const line = visible(`${head.join('  ')}  ${eventSummary(event)}`);
  return width === undefined || displayWidth(line) <= width ? line : truncate(line, width);
}

/** On a narrow terminal the statement matters more than codes and milliseconds. */
function eventTable(io: Io, events: readonly unknown[]): string {
  const width = outputWidth(io);
  const isNarrow = width !== undefined && width < ROOMY;
  const where = (event: unknown): string =>
    [textAt(event, 'db_service'), textAt(event, 'db_name')].filter((part) => part !== '').join('/');
  return renderTable(
    [
      { title: 'Time', least: 19 },
      { title: 'Code' },
      { title: 'Event', least: 20 },
      { title: 'User', shrink: true },
      { title: 'Database', shrink: true },
      { title: 'Database User', shrink: true },
      { title: 'What', shrink: true, least: 30 },
    ],
    events.map((event) => [
      isNarrow ? time(event).slice(0, 19) : time(event),
      isNarrow ? '' : textAt(event, 'code'),
      textAt(event, 'event'),
      textAt(event, 'user'),
      where(event),
      isNarrow ? '' : textAt(event, 'db_user'),
      eventSummary(event),
    ]),
    width,
  );
}

/** `2026-01-31 08:00:00.123`, in UTC. */
function time(event: unknown): string {
  return textAt(event, 'time').replace('T', ' ').replace(/Z$/, '');
}

const PAGE = 500;
/** Columns of a terminal from which everything is shown. */
const ROOMY = 150;
