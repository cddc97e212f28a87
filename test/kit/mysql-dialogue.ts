import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLIENT, MARIADB_CLIENT } from '../../src/protocol/mysql/capabilities.ts';
import { Conversation } from '../../src/protocol/mysql/conversation.ts';
import {
  type ConversationLimits,
  type ConversationObserver,
  type ConversationOptions,
  type ConversationPolicy,
  DEFAULT_CONVERSATION_LIMITS,
  type LegCapabilities,
  type Request,
  type Result,
} from '../../src/protocol/mysql/records.ts';
import { clientBytes, serverBytes } from '../../src/protocol/mysql/trace.ts';
import { cutAt } from './codec.ts';

const common = CLIENT.PROTOCOL_41 | CLIENT.LOCAL_FILES | CLIENT.MULTI_STATEMENTS | CLIENT.MULTI_RESULTS;

/** Kinds of legs: `old` sends EOFs, `new` does not, `maria` has MariaDB's extensions; `deaf` and `untracked` are clients without session tracking. */
export const LEGS = {
  old: { flags: common | CLIENT.SESSION_TRACK, extended: 0 },
  new: { flags: common | CLIENT.SESSION_TRACK | CLIENT.DEPRECATE_EOF, extended: 0 },
  attributes: { flags: common | CLIENT.SESSION_TRACK | CLIENT.DEPRECATE_EOF | CLIENT.QUERY_ATTRIBUTES, extended: 0 },
  maria: {
    flags: (common | CLIENT.SESSION_TRACK | CLIENT.DEPRECATE_EOF) & ~CLIENT.LONG_PASSWORD,
    extended: MARIADB_CLIENT.PROGRESS | MARIADB_CLIENT.STMT_BULK_OPERATIONS | MARIADB_CLIENT.CACHE_METADATA,
  },
  'maria-old': { flags: common | CLIENT.SESSION_TRACK, extended: MARIADB_CLIENT.CACHE_METADATA },
  deaf: { flags: common | CLIENT.DEPRECATE_EOF, extended: 0 },
  untracked: { flags: common, extended: 0 },
} as const satisfies Record<string, LegCapabilities>;
export type LegName = keyof typeof LEGS;

/** What a dialogue is held with. */
export type Setting = {
  /** Of the client; each is tried. Default: all of `old`, `new`. */
  readonly legs?: readonly LegName[];
  /** The database's leg when it is not the client's. */
  readonly database?: LegName;
  readonly limits?: Partial<ConversationLimits>;
  readonly localInfile?: boolean;
  readonly databaseName?: string;
  readonly status?: number;
};

/**
 * `F` lines are sent by the client, `B` lines by the database. What the other side gets is expected to be the same, unless `D` lines (to the database) or `C` lines (to the
 * client) follow, which then say all of it; `?` alone: not looked at. `want` is what the observer hears, one line each.
 */
export type DialogueRow = Setting & {
  readonly name: string;
  readonly talk: readonly string[];
  readonly want: readonly string[];
};

/** What came of a dialogue. */
export type Outcome = {
  readonly heard: readonly string[];
  /** What each side got, per line of the talk that sent something. */
  readonly toDatabase: readonly string[];
  readonly toClient: readonly string[];
  readonly end: unknown;
};

/** Databases named `no...` are refused; 0x40000001 is the person's session 77 of the database; 0x40000002 may be at another agent, which `onKill` hears of; other numbers with that bit are nobody's. */
export function policyOf(localInfile: boolean, onKill: (text: string) => void = () => {}): ConversationPolicy {
  return {
    mayUse: (name) =>
      name.startsWith('no') ? { code: 1044, sqlState: '42000', message: `Access denied to ${name}` } : undefined,
    realConnectionId: (shown) => {
      if (shown < 0x40000000) return undefined;
      return shown === 0x40000001 ? 77 : shown === 0x40000002 ? 'elsewhere' : 'unknown';
    },
    killElsewhere: (shown, what) => onKill(`elsewhere: kill ${what} ${shown}`),
    localInfile,
  };
}

/** Options of a conversation in tests. */
export function optionsOf(setting: Setting, client: LegName, onKill?: (text: string) => void): ConversationOptions {
  return {
    limits: { ...DEFAULT_CONVERSATION_LIMITS, ...setting.limits },
    now: () => 0,
    client: LEGS[client],
    database: LEGS[setting.database ?? client],
    flavour: client.startsWith('maria') ? 'mariadb' : 'mysql',
    databaseName: setting.databaseName ?? 'start',
    policy: policyOf(setting.localInfile ?? false, onKill),
    ...(setting.status === undefined ? {} : { status: setting.status }),
  };
}

/** A test of each row with each of its legs: sent whole, byte by byte and cut at random, with the same outcome. */
export function testDialogues(area: string, rows: readonly DialogueRow[]): void {
  for (const row of rows) {
    for (const client of row.legs ?? (['old', 'new'] as const)) {
      test(`${area}: ${row.name} (${client})`, () => {
        const whole = hold(row, client, (bytes) => [Buffer.from(bytes)]);
        assert.deepEqual(whole.heard, row.want);
        expectBytes(row, client, whole);
        const single = hold(row, client, (bytes) => Array.from(bytes, (byte) => Buffer.from([byte])));
        assert.deepEqual(single, whole, 'sent byte by byte the outcome differs from sent whole');
        fc.assert(
          fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 10 }), (cuts) =>
            assert.deepEqual(
              hold(row, client, (bytes) => cutAt(bytes, cuts)),
              whole,
            ),
          ),
          { numRuns: 25 },
        );
      });
    }
  }
}

/** Holds one dialogue. */
export function hold(row: DialogueRow, client: LegName, cut: (bytes: Buffer) => readonly Buffer[]): Outcome {
  const heard: string[] = [];
  const conversation = new Conversation(
    listener(heard),
    optionsOf(row, client, (text) => heard.push(text)),
  );
  const toDatabase: string[] = [];
  const toClient: string[] = [];
  for (const line of row.talk) {
    const fromClient = line.startsWith('F ');
    if (!fromClient && !line.startsWith('B ')) continue;
    const bytes = fromClient ? clientBytes(line.slice(2)) : serverBytes(line.slice(2), LEGS[row.database ?? client]);
    const forDatabase: Buffer[] = [];
    const forClient: Buffer[] = [];
    for (const chunk of bytes.length === 0 ? [] : cut(bytes)) {
      if (fromClient) forDatabase.push(conversation.fromClient(chunk));
      else forClient.push(conversation.fromDatabase(chunk));
      forClient.push(conversation.takeAnswers() ?? Buffer.alloc(0));
      forDatabase.push(conversation.takeRequests() ?? Buffer.alloc(0));
    }
    toDatabase.push(Buffer.concat(forDatabase).toString('hex'));
    toClient.push(Buffer.concat(forClient).toString('hex'));
  }
  const { nextSequence, atDatabaseBoundary, mustEnd, saturated, running } = conversation;
  const end = { nextSequence, atDatabaseBoundary, mustEnd, saturated, running };
  conversation.finish();
  assert.equal(conversation.running, 0);
  return { heard, toDatabase, toClient, end };
}

/** Expected bytes per sending line: those sent, or what the `D` and `C` lines behind it say. */
function expectBytes(row: DialogueRow, client: LegName, outcome: Outcome): void {
  let at = -1;
  for (const [index, line] of row.talk.entries()) {
    if (!line.startsWith('F ') && !line.startsWith('B ')) continue;
    at += 1;
    const behind = row.talk.slice(index + 1);
    const stop = behind.findIndex((other) => other.startsWith('F ') || other.startsWith('B '));
    const told = stop < 0 ? behind : behind.slice(0, stop);
    const fromClient = line.startsWith('F ');
    const sent = fromClient ? clientBytes(line.slice(2)) : serverBytes(line.slice(2), LEGS[row.database ?? client]);
    const none = Buffer.alloc(0);
    const database = said(told, 'D', clientBytes) ?? (fromClient ? sent : none);
    const toClient = said(told, 'C', (trace) => serverBytes(trace, LEGS[client])) ?? (fromClient ? none : sent);
    assert.equal(outcome.toDatabase[at], database.toString('hex'), `what the database got after: ${line}`);
    assert.equal(outcome.toClient[at], toClient.toString('hex'), `what the client got after: ${line}`);
  }
}

function said(lines: readonly string[], letter: string, encode: (trace: string) => Buffer): Buffer | undefined {
  const own = lines.filter((line) => line === letter || line.startsWith(`${letter} `));
  return own.length === 0 ? undefined : Buffer.concat(own.map((line) => encode(line.slice(2))));
}

/** An observer that writes down what it hears. */
export function listener(heard: string[]): ConversationObserver {
  return {
    request: (request) => heard.push(sayRequest(request)),
    result: (result) => heard.push(sayResult(result)),
    refused: (request, error) => heard.push(`${sayRequest(request)} refused ${error.code}`),
    databaseChanged: (name) => heard.push(`database ${name}`),
    quit: () => heard.push('quit'),
  };
}

function sayRequest(request: Request): string {
  const { values, attributes, kill, longData } = request;
  return line([
    `#${request.id}`,
    request.command,
    request.statementId === undefined ? '' : String(request.statementId),
    request.text === undefined ? '' : JSON.stringify(request.text.text),
    request.text?.sha256 === undefined ? '' : `cut of ${request.text.bytes}`,
    request.unknownStatement === true ? 'unknown' : '',
    values === undefined ? '' : `[${sayValues(values)}]`,
    attributes === undefined ? '' : `{${sayValues(attributes)}}`,
    request.databaseName === undefined ? '' : `db=${request.databaseName}`,
    kill === undefined ? '' : `kill=${kill.shownId}>${kill.realId ?? 'elsewhere'}`,
    longData === undefined ? '' : `long=${longData.parameter}+${longData.bytes}`,
    request.rowsAsked === undefined ? '' : `fetch=${request.rowsAsked}`,
    request.argument === undefined ? '' : `argument=${request.argument}`,
  ]);
}

function sayValues({ values, count }: NonNullable<Request['values']>): string {
  const list = values.map(({ name, value }) => `${name === undefined ? '' : `${name}=`}${sayValue(value)}`);
  if (list.length !== count || (count === 0 && list.length > 0)) list.push(`of ${count}`);
  return list.join(',');
}

function sayValue(value: NonNullable<Request['values']>['values'][number]['value']): string {
  return value === null ? 'null' : typeof value === 'string' ? value : `${value.value}...${value.bytes}`;
}

function sayResult(result: Result): string {
  const { error, localInfile } = result;
  return line([
    `#${result.request.id}`,
    result.outcome,
    `rows=${result.rows}`,
    `results=${result.resultCount}`,
    result.affected === undefined ? '' : `affected=${result.affected}`,
    result.lastInsertId === undefined ? '' : `id=${result.lastInsertId}`,
    result.warnings === 0 ? '' : `warnings=${result.warnings}`,
    result.info === '' ? '' : `info=${JSON.stringify(result.info)}`,
    localInfile === undefined
      ? ''
      : `file=${localInfile.fileName}+${localInfile.bytes}${localInfile.refused ? ' refused' : ''}`,
    result.cursor ? 'cursor' : '',
    result.ranInstead === undefined
      ? ''
      : `ran=${result.ranInstead === 'unknown' ? '?' : JSON.stringify(result.ranInstead.text)}`,
    error === undefined ? '' : `!${error.code}/${error.sqlState} ${error.message}`,
  ]);
}

function line(words: readonly string[]): string {
  return words.filter((word) => word !== '').join(' ');
}
