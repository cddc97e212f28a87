import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';

/**
 * What a client sends after the start-up packet. The relay never decodes these whole (conversation.ts does what it needs in place); sign-in, health checks,
 * traces and tests do.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export type ClientMessage =
  /** Also the carrier of SASL answers, whose bytes `data` then holds. */
  | { readonly type: 'PasswordMessage'; readonly data: Buffer }
  | { readonly type: 'Query'; readonly sql: string }
  | {
      readonly type: 'Parse';
      readonly statement: string;
      readonly sql: string;
      readonly parameterTypes: readonly number[];
    }
  | Bind
  | { readonly type: 'Execute'; readonly portal: string; readonly maxRows: number }
  | { readonly type: 'Describe' | 'Close'; readonly target: 'statement' | 'portal'; readonly name: string }
  | FunctionCall
  | { readonly type: 'CopyData'; readonly data: Buffer }
  | { readonly type: 'CopyFail'; readonly reason: string }
  | { readonly type: 'CopyDone' | 'Flush' | 'Sync' | 'Terminate' };

export type Bind = {
  readonly type: 'Bind';
  readonly portal: string;
  readonly statement: string;
  readonly formats: readonly number[];
  readonly values: readonly (Buffer | null)[];
  readonly resultFormats: readonly number[];
};
export type FunctionCall = {
  readonly type: 'FunctionCall';
  readonly oid: number;
  readonly formats: readonly number[];
  readonly values: readonly (Buffer | null)[];
  readonly resultFormat: number;
};

/** SASLInitialResponse travels in a PasswordMessage: mechanism, zero-terminated | Int32 length (-1: none) | data. */
export function encodeSaslInitialResponse(mechanism: string, data: Uint8Array): Buffer {
  return encodeClientMessage({
    type: 'PasswordMessage',
    data: new Writer().cstring(mechanism).int32(data.length).bytes(data).finish(),
  });
}

/** Encodes a message, header included. */
export function encodeClientMessage(message: ClientMessage): Buffer {
  const writer = new Writer();
  writer.string(LETTERS[message.type]).int32(0);
  writeBody(writer, message);
  writer.patchInt32(1, writer.length - 1);
  return writer.finish();
}

/** Decodes one message by its letter; undefined for a letter that no client may send. Shares no memory with `body`. */
export function decodeClientMessage(letter: number, body: Buffer): ClientMessage | undefined {
  const type = TYPES.get(letter);
  return type === undefined
    ? undefined
    : readBody(type, new Reader(`postgres: ${type}`, `PG_${type.toUpperCase()}`, body));
}

const LETTERS = {
  PasswordMessage: 'p',
  Query: 'Q',
  Parse: 'P',
  Bind: 'B',
  Execute: 'E',
  Describe: 'D',
  Close: 'C',
  FunctionCall: 'F',
  CopyData: 'd',
  CopyDone: 'c',
  CopyFail: 'f',
  Flush: 'H',
  Sync: 'S',
  Terminate: 'X',
} as const satisfies Record<ClientMessage['type'], string>;

const TYPES: ReadonlyMap<number, ClientMessage['type']> = new Map(
  (Object.keys(LETTERS) as ClientMessage['type'][]).map((type) => [LETTERS[type].charCodeAt(0), type]),
);

function writeBody(writer: Writer, message: ClientMessage): void {
  switch (message.type) {
    case 'PasswordMessage':
    case 'CopyData':
      writer.bytes(message.data);
      break;
    case 'Query':
      writer.cstring(message.sql);
      break;
    case 'Parse':
      writer.cstring(message.statement).cstring(message.sql).uint16(message.parameterTypes.length);
      for (const type of message.parameterTypes) writer.uint32(type);
      break;
    case 'Bind':
      writer.cstring(message.portal).cstring(message.statement);
      writeValues(writer, message.formats, message.values);
      writeFormats(writer, message.resultFormats);
      break;
    case 'Execute':
      writer.cstring(message.portal).int32(message.maxRows);
      break;
    case 'Describe':
    case 'Close':
      writer.string(message.target === 'statement' ? 'S' : 'P').cstring(message.name);
      break;
    case 'FunctionCall':
      writer.uint32(message.oid);
      writeValues(writer, message.formats, message.values);
      writer.uint16(message.resultFormat);
      break;
    case 'CopyFail':
      writer.cstring(message.reason);
      break;
    default:
  }
}

function writeFormats(writer: Writer, formats: readonly number[]): void {
  writer.uint16(formats.length);
  for (const format of formats) writer.uint16(format);
}

function writeValues(writer: Writer, formats: readonly number[], values: readonly (Buffer | null)[]): void {
  writeFormats(writer, formats);
  writer.uint16(values.length);
  for (const value of values) {
    if (value === null) writer.int32(-1);
    else writer.int32(value.length).bytes(value);
  }
}

function readBody(type: ClientMessage['type'], reader: Reader): ClientMessage {
  const message = readFields(type, reader);
  reader.end();
  return message;
}

function readFields(type: ClientMessage['type'], reader: Reader): ClientMessage {
  switch (type) {
    case 'PasswordMessage':
    case 'CopyData':
      return { type, data: Buffer.from(reader.rest()) };
    case 'Query':
      return { type, sql: reader.cstring('sql') };
    case 'Parse':
      return {
        type,
        statement: reader.cstring('statement'),
        sql: reader.cstring('sql'),
        parameterTypes: readMany(reader, () => reader.uint32('type')),
      };
    case 'Bind':
      return {
        type,
        portal: reader.cstring('portal'),
        statement: reader.cstring('statement'),
        formats: readMany(reader, () => reader.uint16('format')),
        values: readMany(reader, () => readValue(reader)),
        resultFormats: readMany(reader, () => reader.uint16('result format')),
      };
    case 'Execute':
      return { type, portal: reader.cstring('portal'), maxRows: reader.int32('row limit') };
    case 'Describe':
    case 'Close':
      return { type, target: readTarget(reader), name: reader.cstring('name') };
    case 'FunctionCall':
      return {
        type,
        oid: reader.uint32('function'),
        formats: readMany(reader, () => reader.uint16('format')),
        values: readMany(reader, () => readValue(reader)),
        resultFormat: reader.uint16('result format'),
      };
    case 'CopyFail':
      return { type, reason: reader.cstring('reason') };
    default:
      return { type };
  }
}

function readTarget(reader: Reader): 'statement' | 'portal' {
  const letter = reader.uint8('target');
  if (letter === 0x53) return 'statement';
  if (letter === 0x50) return 'portal';
  throw reader.fault('BAD_TARGET', `target must be S or P, got 0x${letter.toString(16)}`);
}

function readMany<T>(reader: Reader, read: () => T): readonly T[] {
  const count = reader.uint16('count');
  const items: T[] = [];
  for (let index = 0; index < count; index += 1) items.push(read());
  return items;
}

function readValue(reader: Reader): Buffer | null {
  const length = reader.int32('value length');
  return length === -1 ? null : Buffer.from(reader.bytes('value', length));
}
