import { createHash } from 'node:crypto';
import { ProtocolError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import type { Draft, Extent, RequestDetails } from './command-draft.ts';
import { CLIENT, has } from './capabilities.ts';
import { decodeExecute, type Execute, type ParameterTypes } from './parameters.ts';
import { LAST_STATEMENT_ID, type PreparedMemory } from './prepared.ts';
import type { BoundValues, CommandName, ServerError } from './records.ts';
import type { SessionState } from './session-state.ts';

/** Judges the commands that speak of a prepared statement by its id. */
export class StatementCommands {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** `0x17 | u32 statement | u8 flags | u32 iterations | ...` */
  execute(payload: Buffer, extent: Extent): Draft {
    const { options, prepared } = this.#state;
    const { memory, details } = this.#named(reading('COM_STMT_EXECUTE', payload));
    const read = this.#values(payload, extent, memory);
    const values = read?.values ?? notUnderstood(payload, extent, memory);
    return {
      command: 'COM_STMT_EXECUTE',
      grammar: 'execute',
      details: { ...details, values, ...(read?.attributes === undefined ? {} : { attributes: read.attributes }) },
      refusal: this.#refusal(memory),
      loadsLocal: memory?.loadsLocal ?? false,
      useTarget: memory?.uses.at(-1),
      hashFrom: 0,
      memoryBytes: requestBytes + values.values.length * valueBytes + 2 * options.limits.maxValuesBytes,
      runsUnseen: this.#runsUnseen(memory),
      effect: () => (memory === undefined ? undefined : { execution: prepared.executed(memory, read?.types) }),
    };
  }

  /** `0xfa | u32 statement | u16 flags | types | rows`. Rows have no length, so values are not read. */
  bulkExecute(payload: Buffer, extent: Extent): Draft {
    const reader = reading('COM_STMT_BULK_EXECUTE', payload);
    const { memory, details } = this.#named(reader);
    const hasTypes = has(reader.uint16LE('flags'), sendsTypes);
    const types = hasTypes ? bulkTypes(reader, memory?.prepared.parameterCount) : memory?.types;
    return {
      command: 'COM_STMT_BULK_EXECUTE',
      grammar: 'execute',
      details: { ...details, values: notUnderstood(payload, extent, memory) },
      refusal: this.#refusal(memory),
      loadsLocal: memory?.loadsLocal ?? false,
      useTarget: memory?.uses.at(-1),
      hashFrom: 0,
      memoryBytes: requestBytes,
      runsUnseen: this.#runsUnseen(memory),
      effect: () => (memory === undefined ? undefined : { execution: this.#state.prepared.executed(memory, types) }),
    };
  }

  /** `0x18 | u32 statement | u16 parameter | data`. Counted, never kept. */
  sendLongData(payload: Buffer, extent: Extent): Draft {
    const reader = reading('COM_STMT_SEND_LONG_DATA', payload);
    const { memory, details } = this.#named(reader);
    const parameter = reader.uint16LE('parameter');
    const bytes = (typeof extent === 'object' ? extent.bytes : payload.length) - reader.offset;
    return {
      command: 'COM_STMT_SEND_LONG_DATA',
      grammar: 'none',
      details: { ...details, longData: { parameter, bytes } },
      effect: () => {
        if (memory !== undefined) this.#state.prepared.sentAhead(memory, parameter);
        return undefined;
      },
    };
  }

  /** `0x19 | u32 statement`. The database answers nothing. */
  close(payload: Buffer): Draft {
    const { memory, details, id } = this.#named(reading('COM_STMT_CLOSE', payload));
    return {
      command: 'COM_STMT_CLOSE',
      grammar: 'none',
      details,
      effect: () => {
        if (memory === undefined) this.#state.prepared.close(id);
        else this.#state.prepared.forget(memory);
        return undefined;
      },
    };
  }

  /** `0x1a | u32 statement`. Forgets parameters sent ahead, and closes its cursor. */
  reset(payload: Buffer): Draft {
    const { memory, details } = this.#named(reading('COM_STMT_RESET', payload));
    return {
      command: 'COM_STMT_RESET',
      grammar: 'ok',
      details,
      memoryBytes: requestBytes,
      effect: () => {
        if (memory !== undefined) this.#state.prepared.forgetLongData(memory);
        return undefined;
      },
    };
  }

  /** `0x1c | u32 statement | u32 rows` */
  fetch(payload: Buffer): Draft {
    const reader = reading('COM_STMT_FETCH', payload);
    const { details } = this.#named(reader);
    const rowsAsked = reader.uint32LE('rows');
    return {
      command: 'COM_STMT_FETCH',
      grammar: 'rows',
      details: { ...details, rowsAsked },
      memoryBytes: requestBytes,
    };
  }

  #named(reader: Reader): Named {
    const { prepared, options } = this.#state;
    const id = reader.uint32LE('statement id');
    const last = id === LAST_STATEMENT_ID && options.flavour === 'mariadb';
    const memory = last ? prepared.last : prepared.find(id);
    if (memory === undefined) return { id, memory, details: { statementId: id, unknownStatement: true } };
    return { id, memory, details: { statementId: id, text: memory.prepared.text, prepared: memory.prepared } };
  }

  /** One whose text is not known may be anything; MySQL prepares nothing of the kind. */
  #runsUnseen(memory: PreparedMemory | undefined): boolean {
    return this.#state.options.flavour === 'mariadb' && memory?.runsUnseen !== false;
  }

  /** A database that was allowed at the PREPARE is asked for again: what it means is decided when it runs. */
  #refusal(memory: PreparedMemory | undefined): ServerError | undefined {
    for (const name of memory?.uses ?? NO_NAMES) {
      const refusal = this.#state.options.policy.mayUse(name);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Undefined when the values can not be understood for certain. */
  #values(payload: Buffer, extent: Extent, memory: PreparedMemory | undefined): Execute | undefined {
    const { client, limits } = this.#state.options;
    const parameterCount = memory?.prepared.parameterCount ?? memory?.placeholders;
    if (extent === 'beginning' || memory?.longData === undefined || parameterCount === undefined) return undefined;
    try {
      return decodeExecute(payload, {
        parameterCount,
        knownTypes: memory.types,
        queryAttributes: has(client.flags, CLIENT.QUERY_ATTRIBUTES),
        longData: memory.longData,
        maxValuesBytes: limits.maxValuesBytes,
        ...(extent === 'whole' ? {} : { cut: extent }),
      });
    } catch (error) {
      if (error instanceof ProtocolError) return undefined;
      throw error;
    }
  }
}

type Named = {
  readonly id: number;
  readonly memory: PreparedMemory | undefined;
  readonly details: RequestDetails;
};

/** Of one remembered request, apart from its text and values. */
export const requestBytes = 512;
const valueBytes = 64;
const NO_NAMES: readonly string[] = [];

function reading(command: CommandName, payload: Buffer): Reader {
  return new Reader(`mysql: ${command}`, 'MYSQL_COMMAND', payload, 1);
}

/** As COM_STMT_BULK_EXECUTE sends them: u8 type | u8 flags, for each parameter. Undefined: not all of them are here. */
function bulkTypes(reader: Reader, count: number | undefined): ParameterTypes | undefined {
  if (count === undefined || reader.remaining < 2 * count) return undefined;
  return Array.from({ length: count }, () => reader.uint16LE('type'));
}

/** STMT_BULK_FLAG_CLIENT_SEND_TYPES */
const sendsTypes = 128;

/** Values that are there but can not be told, by their digest. */
function notUnderstood(payload: Buffer, extent: Extent, memory: PreparedMemory | undefined): BoundValues {
  const count = memory?.prepared.parameterCount ?? 0;
  if (extent === 'whole' && count === 0 && payload.length <= valuelessBytes) return { values: [], count };
  if (extent === 'beginning') return { values: [], count };
  const whole =
    extent === 'whole' ? { bytes: payload.length, sha256: createHash('sha256').update(payload).digest('hex') } : extent;
  return { values: [], count, ...whole };
}

/** Of a COM_STMT_EXECUTE without parameters. */
const valuelessBytes = 10;
