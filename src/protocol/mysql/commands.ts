import { ProtocolError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import { CLIENT, COM, commandName, has } from './capabilities.ts';
import {
  type Draft,
  type Effect,
  type Extent,
  type KillElsewhere,
  plainDraft,
  refusedDraft,
  type RequestDetails,
} from './command-draft.ts';
import { encodePacket } from './packet.ts';
import { decodeQueryAttributes } from './parameters.ts';
import type { Grammar } from './pending.ts';
import { placeholderCount } from './placeholders.ts';
import type { BoundValues, CommandName, ServerError } from './records.ts';
import {
  commandTooLong,
  localInfileRefused,
  malformedCommand,
  replicationCommand,
  trackingRefused,
  unknownCommand,
  unknownThread,
  unreadableDatabaseName,
} from './refusals.ts';
import type { SessionState } from './session-state.ts';
import { requestBytes, StatementCommands } from './statement-commands.ts';
import { examineStatement, type StatementFacts, type StatementKill } from './statement.ts';
import { statementText, utf8Text } from './text.ts';

/**
 * Judges commands: what each asks for, whether it may go on, and as what. Looks, and changes nothing; what a command changes is its draft's `effect`. Throws a
 * ProtocolError `MYSQL_COMMAND_*` for one whose fixed fields are not there.
 */
export class Commands {
  readonly #state: SessionState;
  readonly #statements: StatementCommands;

  constructor(state: SessionState) {
    this.#state = state;
    this.#statements = new StatementCommands(state);
  }

  /** `payload` begins with the command's byte; an empty one is COM_SLEEP's. */
  judge(payload: Buffer, extent: Extent): Draft {
    const command = payload.length === 0 ? 'COM_UNKNOWN' : commandName(payload[0] ?? 0);
    switch (command) {
      case 'COM_QUERY':
        return this.#query(payload, extent);
      case 'COM_STMT_PREPARE':
        return this.#text('COM_STMT_PREPARE', payload, 1, extent, undefined);
      case 'COM_STMT_EXECUTE':
        return this.#statements.execute(payload, extent);
      case 'COM_STMT_BULK_EXECUTE':
        return this.#statements.bulkExecute(payload, extent);
      case 'COM_STMT_SEND_LONG_DATA':
        return this.#statements.sendLongData(payload, extent);
      default: {
        if (extent === 'whole') return this.#short(command, payload);
        return refusedDraft(command, commandTooLong(command, this.#state.options.limits.maxHeldBytes));
      }
    }
  }

  #short(command: CommandName, payload: Buffer): Draft {
    const grammar = SIMPLE.get(command);
    if (grammar !== undefined) return plainDraft(command, grammar);
    switch (command) {
      case 'COM_STMT_CLOSE':
        return this.#statements.close(payload);
      case 'COM_STMT_RESET':
        return this.#statements.reset(payload);
      case 'COM_STMT_FETCH':
        return this.#statements.fetch(payload);
      case 'COM_QUIT':
      case 'COM_PING':
        return { command, grammar: command === 'COM_PING' ? 'ok' : 'none', details: undefined };
      case 'COM_INIT_DB':
        return this.#initDb(payload);
      case 'COM_PROCESS_KILL':
        return this.#processKill(payload);
      case 'COM_RESET_CONNECTION':
        return this.#resetConnection();
      default:
        return described(command, payload);
    }
  }

  #query(payload: Buffer, extent: Extent): Draft {
    const { client, limits } = this.#state.options;
    if (!has(client.flags, CLIENT.QUERY_ATTRIBUTES)) return this.#text('COM_QUERY', payload, 1, extent, undefined);
    try {
      const { sqlStart, attributes } = decodeQueryAttributes(payload, {
        maxValuesBytes: limits.maxValuesBytes,
        ...(typeof extent === 'object' ? { cut: extent } : {}),
      });
      return this.#text('COM_QUERY', payload, sqlStart, extent, attributes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return refusedDraft('COM_QUERY', malformedCommand('COM_QUERY'));
    }
  }

  #text(
    command: 'COM_QUERY' | 'COM_STMT_PREPARE',
    payload: Buffer,
    start: number,
    extent: Extent,
    attributes: BoundValues | undefined,
  ): Draft {
    const state = this.#state;
    const { flavour, limits } = state.options;
    const sql = payload.subarray(start);
    const reading = { noBackslashEscapes: state.noBackslashEscapes, flavour };
    const facts = examineStatement(sql, reading);
    const text = statementText(sql, limits.maxStatementBytes, typeof extent === 'object' ? extent : undefined);
    const prepares = command === 'COM_STMT_PREPARE';
    const kill = this.#killed(facts.kill, !prepares && extent === 'whole');
    const { uses, loadsLocal } = facts;
    const runsUnseen = mayRunUnseen(facts, flavour, extent);
    const details: RequestDetails = {
      text,
      ...(attributes === undefined ? {} : { attributes }),
      ...(kill?.ids === undefined ? {} : { kill: kill.ids }),
    };
    const begin = (): Effect => {
      const placeholders = pipelines(flavour, extent) ? placeholderCount(sql, reading) : undefined;
      return { prepare: state.prepared.begin(text, { uses, loadsLocal, runsUnseen, placeholders }) };
    };
    return {
      command,
      grammar: prepares ? 'prepare' : 'result',
      details,
      refusal: this.#textRefusal(facts) ?? kill?.refusal ?? this.#killTooLong(kill, extent),
      elsewhere: kill?.elsewhere,
      replacement: withRealId(payload, start, kill),
      loadsLocal: !prepares && loadsLocal,
      useTarget: prepares ? undefined : uses.at(-1),
      runsUnseen: runsUnseen && !prepares,
      readsDiagnostics: readsDiagnostics(sql),
      hashFrom: start,
      memoryBytes: requestBytes + 2 * text.text.length,
      ...(prepares ? { effect: begin } : {}),
    };
  }

  #textRefusal({ uses, loadsLocal, changesTracking }: StatementFacts): ServerError | undefined {
    const { policy, flavour } = this.#state.options;
    if (changesTracking) return trackingRefused();
    for (const name of uses) {
      const refusal = policy.mayUse(name);
      if (refusal !== undefined) return refusal;
    }
    return loadsLocal && !policy.localInfile ? localInfileRefused(flavour) : undefined;
  }

  /** Undefined: there is none, or it is not one of our numbers. `now`: the text runs now, and all of it is here. */
  #killed(kill: StatementKill | undefined, now: boolean): Killed | undefined {
    if (kill === undefined) return undefined;
    const { id: shownId, what } = kill;
    const real = this.#state.options.policy.realConnectionId(shownId);
    if (real === undefined) return undefined;
    if (real === 'elsewhere' && now && kill.only) return { at: kill, ids: { shownId }, elsewhere: { shownId, what } };
    if (typeof real === 'string') return { at: kill, refusal: unknownThread(shownId) };
    return { at: kill, ids: { shownId, realId: real } };
  }

  #killTooLong(kill: Killed | undefined, extent: Extent): ServerError | undefined {
    if (kill === undefined || extent === 'whole') return undefined;
    return commandTooLong('KILL', this.#state.options.limits.maxHeldBytes);
  }

  /** `0x02 | name` */
  #initDb(payload: Buffer): Draft {
    const { policy, database } = this.#state.options;
    const name = utf8Text(payload.subarray(1));
    const databaseName = name ?? payload.toString('latin1', 1);
    // A name in another character set is judged when the database tells it, where it does. A zero may end a name, or not.
    const unseen = name === undefined && !has(database.flags, CLIENT.SESSION_TRACK);
    const refusal =
      unseen || databaseName.includes('\0') ? unreadableDatabaseName() : policy.mayUse(payload.toString('utf8', 1));
    return {
      command: 'COM_INIT_DB',
      grammar: 'ok',
      details: { databaseName },
      refusal,
      useTarget: databaseName,
      memoryBytes: requestBytes + 2 * databaseName.length,
    };
  }

  /** `0x0c | u32 id` */
  #processKill(payload: Buffer): Draft {
    const command = 'COM_PROCESS_KILL';
    const shownId = fields(command, payload).uint32LE('connection id');
    const real = this.#state.options.policy.realConnectionId(shownId);
    if (real === 'unknown') return refusedDraft(command, unknownThread(shownId), { argument: String(shownId) });
    if (real === 'elsewhere')
      return { ...plainDraft(command, 'ok', { kill: { shownId } }), elsewhere: { shownId, what: 'connection' } };
    if (real === undefined) return plainDraft(command, 'ok', { argument: String(shownId) });
    const instead = Buffer.alloc(5, COM.COM_PROCESS_KILL);
    instead.writeUInt32LE(real, 1);
    return {
      command,
      grammar: 'ok',
      details: { kill: { shownId, realId: real } },
      replacement: encodePacket(0, instead),
      memoryBytes: requestBytes,
    };
  }

  #resetConnection(): Draft {
    return {
      command: 'COM_RESET_CONNECTION',
      grammar: 'ok',
      details: {},
      memoryBytes: requestBytes,
      effect: () => {
        this.#state.prepared.clear();
        return undefined;
      },
    };
  }
}

type Killed = {
  readonly at: StatementKill;
  readonly ids?: RequestDetails['kill'];
  readonly elsewhere?: KillElsewhere;
  readonly refusal?: ServerError;
};

/** MySQL has no USE but those that the text shows. */
function mayRunUnseen({ complete, runsUnseen }: StatementFacts, flavour: 'mysql' | 'mariadb', extent: Extent): boolean {
  return extent !== 'whole' || !complete || (runsUnseen && flavour === 'mariadb');
}

/** May an execution be sent before its PREPARE is answered? */
function pipelines(flavour: 'mysql' | 'mariadb', extent: Extent): boolean {
  return flavour === 'mariadb' && extent === 'whole';
}

/** A statement that tells of the one before it, and touches no table. */
function readsDiagnostics(sql: Buffer): boolean {
  return sql.length <= maxDiagnosticsBytes && DIAGNOSTICS.test(sql.toString('latin1'));
}

const maxDiagnosticsBytes = 128;
const DIAGNOSTICS =
  /^ *(?:show +(?:count *\( *\* *\) +)?(?:warnings|errors)(?: +limit +\d+)?|select +(?:(?:row_count|found_rows|last_insert_id) *\( *\)|@@(?:session\.)?(?:warning|error)_count)(?: +as +\w+)?)[ ;]*$/i;

/** Commands without fields that matter. */
const SIMPLE: ReadonlyMap<CommandName, Grammar> = new Map<CommandName, Grammar>([
  ['COM_SHUTDOWN', 'ok'],
  ['COM_STATISTICS', 'text'],
  ['COM_PROCESS_INFO', 'result'],
  ['COM_DEBUG', 'ok'],
]);

/** Commands with an argument, and those that are not passed on. */
function described(command: CommandName, payload: Buffer): Draft {
  switch (command) {
    case 'COM_FIELD_LIST': {
      const zero = payload.indexOf(0, 1);
      const argument = payload.toString('utf8', 1, Math.min(zero < 0 ? payload.length : zero, maxArgumentBytes));
      return { command, grammar: 'fields', details: { argument }, memoryBytes: requestBytes + 2 * argument.length };
    }
    case 'COM_CREATE_DB':
    case 'COM_DROP_DB': {
      const databaseName = payload.toString('utf8', 1, maxArgumentBytes);
      return plainDraft(command, 'ok', { databaseName });
    }
    case 'COM_REFRESH':
      return plainDraft(command, 'ok', { argument: String(fields(command, payload).uint8('what to refresh')) });
    case 'COM_SET_OPTION':
      return plainDraft(command, 'ok', { argument: String(fields(command, payload).uint16LE('option')) });
    case 'COM_CHANGE_USER':
      return refusedDraft(
        command,
        unknownCommand(command, 'connect anew for another user, or use COM_RESET_CONNECTION to clear the session'),
      );
    case 'COM_UNKNOWN': {
      const byte = `0x${payload.toString('hex', 0, 1).padStart(2, '0')}`;
      return refusedDraft(command, unknownCommand(byte), { argument: byte });
    }
    default:
      return refusedDraft(command, REPLICATION.has(command) ? replicationCommand(command) : unknownCommand(command));
  }
}

const REPLICATION: ReadonlySet<CommandName> = new Set<CommandName>([
  'COM_BINLOG_DUMP',
  'COM_BINLOG_DUMP_GTID',
  'COM_TABLE_DUMP',
  'COM_REGISTER_SLAVE',
  'COM_CLONE',
  'COM_SUBSCRIBE_GROUP_REPLICATION_STREAM',
]);

/** Of names that are only told: servers allow 64 characters. */
const maxArgumentBytes = 1024;

function fields(command: CommandName, payload: Buffer): Reader {
  return new Reader(`mysql: ${command}`, 'MYSQL_COMMAND', payload, 1);
}

/** The packet with the database's own number in place of ours; undefined: there is none to put in. */
function withRealId(payload: Buffer, sqlStart: number, kill: Killed | undefined): Buffer | undefined {
  const realId = kill?.ids?.realId;
  if (kill === undefined || realId === undefined) return undefined;
  const before = payload.subarray(0, sqlStart + kill.at.shownStart);
  const behind = payload.subarray(sqlStart + kill.at.shownEnd);
  return encodePacket(0, Buffer.concat([before, Buffer.from(String(realId)), behind]));
}
