import type { ParameterTypes } from './parameters.ts';
import type { Prepared, StatementText } from './records.ts';

/** A prepared statement as remembered. */
export type PreparedMemory = {
  readonly prepared: { -readonly [K in keyof Prepared]: Prepared[K] };
  /** What its text asks for, to be judged again at each execution. */
  readonly uses: readonly string[];
  readonly loadsLocal: boolean;
  readonly runsUnseen: boolean;
  /** As its text shows; undefined: it does not, or nobody looked. */
  readonly placeholders: number | undefined;
  /** COM_RESET_CONNECTIONs seen when it was made. */
  readonly generation: number;
  /** As the last execution sent them. */
  types: ParameterTypes | undefined;
  /** Parameters sent ahead since the last execution; undefined: which is not known. */
  longData: Set<number> | undefined;
  /** The execution that nothing of this statement was sent behind: what it leaves is known when it succeeds. */
  settling: Execution | undefined;
  /** The statement that MariaDB's last id meant before this one was prepared; only while that is unanswered. */
  before: PreparedMemory | undefined;
  /** Of the memory budget. */
  charged: number;
  /** Not in the table any more, or never again: nothing is charged for it. */
  dropped: boolean;
};

/** An execution that is unanswered. */
export type Execution = {
  readonly memory: PreparedMemory;
  /** The types that its failure may leave in force, when it brought others. */
  readonly typesBefore: ParameterTypes | undefined;
};

/**
 * Prepared statements by the database's ids. Bounded: what does not fit is not remembered, and its executions are told as of an unknown statement.
 */
export class PreparedStatements {
  readonly #byId = new Map<number, PreparedMemory>();
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #usedBytes = 0;
  #generation = 0;
  #last: PreparedMemory | undefined;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /** Remembered texts and types, in bytes. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The client asks for one; its id is not known yet. */
  begin(
    text: StatementText,
    told: Pick<PreparedMemory, 'uses' | 'loadsLocal' | 'runsUnseen' | 'placeholders'>,
  ): PreparedMemory {
    const memory: PreparedMemory = {
      prepared: { text, state: 'pending', id: undefined, parameterCount: undefined, cache: undefined },
      ...told,
      generation: this.#generation,
      types: undefined,
      longData: NO_LONG_DATA,
      settling: undefined,
      before: this.#last,
      charged: 0,
      dropped: false,
    };
    this.#last = memory;
    return memory;
  }

  /** The database took it. */
  accept(memory: PreparedMemory, id: number, parameterCount: number): void {
    memory.prepared.state = 'accepted';
    memory.prepared.id = id;
    memory.prepared.parameterCount = parameterCount;
    memory.before = undefined;
    if (memory.dropped || memory.generation !== this.#generation) return;
    this.close(id);
    if (this.#byId.size < this.#maxCount && this.#charge(memory, textBytes(memory))) this.#byId.set(id, memory);
    else this.#drop(memory);
  }

  /** The database did not. */
  reject(memory: PreparedMemory): void {
    memory.prepared.state = 'rejected';
    const before = memory.before?.prepared;
    memory.prepared.instead = before?.state === 'rejected' ? before.instead : before;
    memory.before = undefined;
    this.#drop(memory);
    if (this.#last === memory) this.#last = undefined;
  }

  find(id: number): PreparedMemory | undefined {
    return this.#byId.get(id);
  }

  /** The one prepared last, answered or not (MariaDB); undefined when that one failed or was closed. */
  get last(): PreparedMemory | undefined {
    return this.#last;
  }

  /** By its id. */
  close(id: number): void {
    const memory = this.#byId.get(id);
    if (memory !== undefined) this.forget(memory);
  }

  /** It is closed, perhaps before its PREPARE is answered. */
  forget(memory: PreparedMemory): void {
    const { id } = memory.prepared;
    memory.before = undefined;
    if (id !== undefined && this.#byId.get(id) === memory) this.#byId.delete(id);
    this.#drop(memory);
    if (this.#last === memory) this.#last = undefined;
  }

  /** The database forgets them all. */
  clear(): void {
    this.#generation += 1;
    this.#byId.clear();
    this.#usedBytes = 0;
    this.#last = undefined;
  }

  /** An execution was sent. `types` are those that the next one goes by; undefined: they are not known. Call `settled` when it is answered. */
  executed(memory: PreparedMemory, types: ParameterTypes | undefined): Execution {
    const execution = { memory, typesBefore: memory.types };
    const sentAhead = memory.longData === undefined || memory.longData.size > 0;
    this.forgetLongData(memory);
    // A server that finds the packet malformed keeps what was sent ahead, for the next execution.
    if (sentAhead) memory.longData = undefined;
    memory.settling = execution;
    this.#remember(memory, types);
    return execution;
  }

  /** An execution was answered. */
  settled(execution: Execution, succeeded: boolean): void {
    const { memory, typesBefore } = execution;
    if (memory.settling !== execution) return;
    memory.settling = undefined;
    if (succeeded) this.forgetLongData(memory);
    else if (typesBefore !== undefined && !sameTypes(typesBefore, memory.types)) this.#remember(memory, undefined);
  }

  #remember(memory: PreparedMemory, types: ParameterTypes | undefined): void {
    if (types === memory.types) return;
    this.#charge(memory, -(memory.types?.length ?? 0) * typeBytes);
    memory.types = this.#charge(memory, (types?.length ?? 0) * typeBytes) ? types : undefined;
  }

  /** A parameter was sent ahead. */
  sentAhead(memory: PreparedMemory, parameter: number): void {
    const { longData } = memory;
    memory.settling = undefined;
    if (longData === undefined || longData.has(parameter)) return;
    if (!this.#charge(memory, longDataBytes)) {
      this.forgetLongData(memory);
      memory.longData = undefined;
    } else if (longData === NO_LONG_DATA) memory.longData = new Set([parameter]);
    else longData.add(parameter);
  }

  /** Executed or reset: the parameters sent ahead are gone. */
  forgetLongData(memory: PreparedMemory): void {
    this.#charge(memory, -(memory.longData?.size ?? 0) * longDataBytes);
    memory.longData = NO_LONG_DATA;
  }

  #drop(memory: PreparedMemory): void {
    if (memory.generation === this.#generation) this.#usedBytes -= memory.charged;
    memory.charged = 0;
    memory.dropped = true;
  }

  #charge(memory: PreparedMemory, bytes: number): boolean {
    if (memory.dropped || memory.generation !== this.#generation) return bytes <= 0;
    if (bytes > 0 && this.#usedBytes + bytes > this.#maxBytes) return false;
    this.#usedBytes += bytes;
    memory.charged += bytes;
    return true;
  }
}

/** MariaDB's id for the statement that was prepared last. */
export const LAST_STATEMENT_ID = 0xffff_ffff;

function sameTypes(one: ParameterTypes, other: ParameterTypes | undefined): boolean {
  return one.length === other?.length && one.every((type, index) => type === other[index]);
}

/** Never added to. */
const NO_LONG_DATA: Set<number> = new Set();
const typeBytes = 16;
const longDataBytes = 64;

function textBytes({ prepared, uses }: PreparedMemory): number {
  return prepared.text.text.length * 2 + uses.reduce((sum, use) => sum + use.length * 2 + 32, 256);
}
