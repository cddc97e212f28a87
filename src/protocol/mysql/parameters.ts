import { createHash } from 'node:crypto';
import { ProtocolError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import { readLenenc, readLenencBytes } from './lenenc.ts';
import type { AuditedValue, BoundValues } from './records.ts';
import { toBuffer, utf8Text } from './text.ts';
import { auditedValue, binaryValueSize } from './values.ts';

/** The types that the last execution of a statement sent, to be remembered for the next: per parameter its type byte, plus 0x8000 when it is unsigned. */
export type ParameterTypes = readonly number[];

/** What of an execution is not in its packet, and how much of it to keep. */
export type ExecuteOptions = {
  /** Of the prepared statement. */
  readonly parameterCount: number;
  /** From the statement's last execution; undefined: it was never executed. */
  readonly knownTypes: ParameterTypes | undefined;
  /** CLIENT_QUERY_ATTRIBUTES is agreed on. */
  readonly queryAttributes: boolean;
  /** Indices of the parameters that COM_STMT_SEND_LONG_DATA sent since the last execution or reset. */
  readonly longData: ReadonlySet<number>;
  /** Of value bytes kept for audit, values and attributes together. */
  readonly maxValuesBytes: number;
  /** Present when `payload` is only the beginning. */
  readonly cut?: WholePayload;
};

/** Of a payload that was not kept whole: its length and lower-case hex SHA-256. */
export type WholePayload = { readonly bytes: number; readonly sha256: string };

/** A COM_STMT_EXECUTE, read. */
export type Execute = {
  readonly statementId: number;
  readonly flags: number;
  /** To remember for the statement's next execution: those of this packet, else the known ones; undefined when there are none. */
  readonly types: ParameterTypes | undefined;
  /** The statement's parameters, in order. */
  readonly values: BoundValues;
  /** Query attributes; absent when there are none. */
  readonly attributes?: BoundValues;
};

/**
 * Reads a COM_STMT_EXECUTE. `payload` begins with the command byte and shares no memory with the answer.
 *
 *     0x17 | u32 statement | u8 flags | u32 iterations
 *     [lenenc count]                       with CLIENT_QUERY_ATTRIBUTES, when the statement has parameters or flag 0x08 is set
 *     NULL bitmap | u8 new types | (u16 type | [lenenc name])*, when new types is not 0 | values
 *
 * (The "COM_STMT_EXECUTE" pages of MySQL and MariaDB; where they are silent, as MySQL 9.7 and MariaDB 10.11 do.) Everything after the iterations is there only when
 * the count is above zero. Types that are not sent are those of the last execution. A parameter sent by COM_STMT_SEND_LONG_DATA has no value here, whatever the
 * bitmap says, and is shown as {@link longDataNote}. Bytes behind the values are ignored, as the servers do.
 *
 * Throws a ProtocolError `MYSQL_EXECUTE_...` when the values can not be told for certain: too short, types missing, a type that servers refuse or that MySQL and
 * MariaDB do not read alike (MEDIUMINT, YEAR, BIT, GEOMETRY: no client sends them). Then nothing of it may be believed but what {@link executeHeader} reads; whoever
 * journals must say that the values were not understood, and must forget the statement's known types. With `cut`, what the beginning holds whole is read, the rest is
 * missing in `values` and counted in `count`.
 */
export function decodeExecute(payload: Uint8Array, options: ExecuteOptions): Execute {
  const bytes = toBuffer(payload);
  const { statementId, flags, reader } = readHeader(bytes);
  const listing = new Listing(options.maxValuesBytes);
  const parameters = new Parameters(reader, listing, options);
  const counted = options.queryAttributes && (options.parameterCount > 0 || (flags & parameterCountAvailable) !== 0);
  stopAtCut(options.cut, () => {
    if (counted) parameters.count = countOf(reader);
    if (parameters.count < options.parameterCount)
      throw reader.fault('BAD_COUNT', `has ${parameters.count} values, its statement needs ${options.parameterCount}`);
    parameters.read();
  });
  const whole = (): WholePayload => options.cut ?? digestOf(bytes);
  const attributeCount = parameters.count - options.parameterCount;
  const split = Math.min(listing.values.length, options.parameterCount);
  const values = boundValues(listing.values.slice(0, split), options.parameterCount, whole);
  const types = parameters.types ?? options.knownTypes;
  if (attributeCount <= 0) return { statementId, flags, types, values };
  return {
    statementId,
    flags,
    types,
    values,
    attributes: boundValues(listing.values.slice(split), attributeCount, whole),
  };
}

/** What a COM_STMT_EXECUTE (and a COM_STMT_BULK_EXECUTE, but for the flags' width) can always tell. Throws a ProtocolError below 10 bytes. */
export function executeHeader(payload: Uint8Array): { readonly statementId: number; readonly flags: number } {
  const { statementId, flags } = readHeader(toBuffer(payload));
  return { statementId, flags };
}

/** Where the SQL of a COM_QUERY begins in its payload, and what came before it. */
export type QueryAttributes = {
  readonly sqlStart: number;
  /** Absent when there are none. */
  readonly attributes?: BoundValues;
};

/**
 * Reads what stands before the SQL of a COM_QUERY when CLIENT_QUERY_ATTRIBUTES is agreed on (only then). `payload` begins with the command byte.
 *
 *     0x03 | lenenc count | lenenc sets (1) | [NULL bitmap | 0x01 | (u16 type | lenenc name)* | values] | SQL
 *
 * Throws a ProtocolError `MYSQL_QUERY_...` when that can not be understood for certain or does not fit into a payload that was cut: then where the SQL begins
 * is not known, and nothing may be said about it. `cut` is of a payload cut by the caller.
 */
export function decodeQueryAttributes(
  payload: Uint8Array,
  options: { readonly maxValuesBytes: number; readonly cut?: WholePayload },
): QueryAttributes {
  const bytes = toBuffer(payload);
  const reader = new Reader('mysql: COM_QUERY', 'MYSQL_QUERY', bytes, 1);
  const count = countOf(reader);
  const sets = readLenenc(reader, 'parameter set count');
  if (sets !== 1n) throw reader.fault('BAD_SETS', `has ${sets} sets of attributes, expected 1`);
  if (count === 0) return { sqlStart: reader.offset };
  const listing = new Listing(options.maxValuesBytes);
  const parameters = new Parameters(reader, listing, { ...NO_STATEMENT, queryAttributes: true });
  parameters.count = count;
  parameters.read();
  const whole = (): WholePayload => options.cut ?? digestOf(bytes);
  return { sqlStart: reader.offset, attributes: boundValues(listing.values, count, whole) };
}

/** What stands for a parameter that was sent in pieces by COM_STMT_SEND_LONG_DATA. */
export const longDataNote = '(sent by COM_STMT_SEND_LONG_DATA)';

type Listed = BoundValues['values'][number];
type Layout = Pick<ExecuteOptions, 'parameterCount' | 'knownTypes' | 'queryAttributes' | 'longData'>;

/** The common part of both commands: bitmap, types, names, values. */
class Parameters {
  readonly #reader: Reader;
  readonly #listing: Listing;
  readonly #layout: Layout;
  /** Of all values, attributes included. */
  count: number;
  /** As this packet says them. */
  types: ParameterTypes | undefined;

  constructor(reader: Reader, listing: Listing, layout: Layout) {
    this.#reader = reader;
    this.#listing = listing;
    this.#layout = layout;
    this.count = layout.parameterCount;
  }

  read(): void {
    if (this.count === 0) return;
    const reader = this.#reader;
    const nulls = reader.bytes('NULL bitmap', (this.count + 7) >> 3);
    const newTypes = reader.uint8('new types') !== 0;
    const names: (Buffer | undefined)[] = [];
    if (newTypes) this.types = this.#readTypes(names);
    const types = this.types ?? this.#layout.knownTypes;
    if (types === undefined || types.length < this.count)
      throw reader.fault('NO_TYPES', 'sends no types and none are known from an execution before');
    for (let index = 0; index < this.count; index += 1) {
      const isNull = (((nulls[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
      this.#readValue(index, types[index] ?? 0, names[index], isNull);
    }
  }

  #readTypes(names: (Buffer | undefined)[]): ParameterTypes {
    const reader = this.#reader;
    const types: number[] = [];
    for (let index = 0; index < this.count; index += 1) {
      types.push(reader.uint8('type') | (reader.uint8('type flags') << 8));
      if (this.#layout.queryAttributes) names.push(readLenencBytes(reader, 'name'));
    }
    return types;
  }

  #readValue(index: number, type: number, name: Buffer | undefined, isNull: boolean): void {
    if (index < this.#layout.parameterCount && this.#layout.longData.has(index))
      return this.#listing.add(name, longDataNote.length, () => longDataNote);
    if (isNull) return this.#listing.add(name, 0, () => null);
    const code = type & ~unsignedFlag;
    const size = binaryValueSize(code);
    if (size === undefined)
      throw this.#reader.fault('UNKNOWN_TYPE', `value ${index} has type ${code}, whose size is not known`);
    const bytes =
      size === 'length-encoded' ? readLenencBytes(this.#reader, 'value') : this.#reader.bytes('value', size);
    this.#listing.add(name, bytes.length, (budget) => auditedValue(code, (type & unsignedFlag) !== 0, bytes, budget));
  }
}

/** Values kept within a budget. */
class Listing {
  readonly values: Listed[] = [];
  #left: number;
  #closed = false;

  constructor(budget: number) {
    this.#left = budget;
  }

  /** `bytes` are the value's own. A name is never cut: one above the budget ends the listing, as do many values after the budget is used up. */
  add(name: Buffer | undefined, bytes: number, value: (budget: number) => AuditedValue): void {
    const nameBytes = name?.length ?? 0;
    const spent = this.#left <= 0 && this.values.length >= alwaysListed;
    if (this.#closed || spent || nameBytes > Math.max(this.#left, alwaysNameBytes)) {
      this.#closed = true;
      return;
    }
    this.#left -= nameBytes;
    const shown = value(Math.max(0, this.#left));
    this.values.push(name === undefined || nameBytes === 0 ? { value: shown } : { name: nameText(name), value: shown });
    this.#left -= Math.max(bytes, valueCost);
  }
}

function readHeader(bytes: Buffer): { readonly statementId: number; readonly flags: number; readonly reader: Reader } {
  const reader = new Reader('mysql: COM_STMT_EXECUTE', 'MYSQL_EXECUTE', bytes, 1);
  const statementId = reader.uint32LE('statement id');
  const flags = reader.uint8('flags');
  reader.skip('iteration count', 4);
  return { statementId, flags, reader };
}

function countOf(reader: Reader): number {
  const count = Number(readLenenc(reader, 'parameter count'));
  if (count > maxParameters) throw reader.fault('BAD_COUNT', `has ${count} values, expected at most ${maxParameters}`);
  return count;
}

/** Runs `read`; when the payload was cut, running into its end is no error. */
function stopAtCut(cut: WholePayload | undefined, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (cut === undefined || !(error instanceof ProtocolError) || !error.code.endsWith('_TOO_SHORT')) throw error;
  }
}

function boundValues(values: readonly Listed[], count: number, whole: () => WholePayload): BoundValues {
  return values.length === count ? { values, count } : { values, count, ...whole() };
}

function digestOf(bytes: Buffer): WholePayload {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function nameText(name: Buffer): string {
  return utf8Text(name) ?? name.toString('latin1');
}

const NO_STATEMENT: Layout = { parameterCount: 0, knownTypes: undefined, queryAttributes: true, longData: new Set() };
const parameterCountAvailable = 0x08;
const unsignedFlag = 0x8000;
/** The server's own limit. */
const maxParameters = 0xffff;
/** What a value costs of the budget at least, so that many empty ones do not add up. */
const valueCost = 4;
/** This many values are told (cut to nothing but length and digest) even when the budget is used up. */
const alwaysListed = 64;
const alwaysNameBytes = 64;
