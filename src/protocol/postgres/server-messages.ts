import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { decodeErrorFields } from './error-fields.ts';

/**
 * What a server sends while a session is set up or ended, and what a test server needs. Bodies are without the five header bytes.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export type ServerMessage =
  | Authentication
  | {
      readonly type: 'NegotiateProtocolVersion';
      readonly major: number;
      readonly minor: number;
      readonly unknownOptions: readonly string[];
    }
  | { readonly type: 'ParameterStatus'; readonly name: string; readonly value: string }
  | { readonly type: 'BackendKeyData'; readonly processId: number; readonly key: Buffer }
  | { readonly type: 'ReadyForQuery'; readonly status: 'I' | 'T' | 'E' }
  | { readonly type: 'ErrorResponse'; readonly fields: ReadonlyMap<string, string> }
  | { readonly type: 'NoticeResponse'; readonly fields: ReadonlyMap<string, string> }
  | {
      readonly type: 'NotificationResponse';
      readonly processId: number;
      readonly channel: string;
      readonly payload: string;
    }
  | { readonly type: 'CommandComplete'; readonly tag: string }
  | {
      readonly type: 'CopyInResponse' | 'CopyOutResponse' | 'CopyBothResponse';
      readonly format: number;
      readonly columnFormats: readonly number[];
    };

export type Authentication =
  | { readonly type: 'AuthenticationOk' }
  | { readonly type: 'AuthenticationCleartextPassword' }
  | { readonly type: 'AuthenticationMD5Password'; readonly salt: Buffer }
  | { readonly type: 'AuthenticationSASL'; readonly mechanisms: readonly string[] }
  | { readonly type: 'AuthenticationSASLContinue'; readonly data: Buffer }
  | { readonly type: 'AuthenticationSASLFinal'; readonly data: Buffer }
  /** Kerberos, GSS, SSPI and others that Tessera does not do; `method` is the wire's number. */
  | { readonly type: 'AuthenticationUnsupported'; readonly method: number };

/** The letters of {@link decodeServerMessage}. */
export const SERVER_LETTER = {
  authentication: 0x52,
  negotiateProtocolVersion: 0x76,
  parameterStatus: 0x53,
  backendKeyData: 0x4b,
  readyForQuery: 0x5a,
  errorResponse: 0x45,
  noticeResponse: 0x4e,
  notificationResponse: 0x41,
  commandComplete: 0x43,
  copyIn: 0x47,
  copyOut: 0x48,
  copyBoth: 0x57,
} as const;

/** Decodes one message by its letter. Undefined: a letter that is not among {@link SERVER_LETTER}. Shares no memory with `body`. */
export function decodeServerMessage(letter: number, body: Buffer): ServerMessage | undefined {
  return DECODERS.get(letter)?.(body);
}

const DECODERS: ReadonlyMap<number, (body: Buffer) => ServerMessage> = new Map<number, (body: Buffer) => ServerMessage>(
  [
    [SERVER_LETTER.authentication, decodeAuthentication],
    [SERVER_LETTER.negotiateProtocolVersion, decodeNegotiate],
    [SERVER_LETTER.parameterStatus, decodeParameterStatus],
    [SERVER_LETTER.backendKeyData, decodeKeyData],
    [SERVER_LETTER.readyForQuery, decodeReady],
    [SERVER_LETTER.errorResponse, (body) => ({ type: 'ErrorResponse', fields: decodeErrorFields(body) })],
    [SERVER_LETTER.noticeResponse, (body) => ({ type: 'NoticeResponse', fields: decodeErrorFields(body) })],
    [SERVER_LETTER.notificationResponse, decodeNotification],
    [SERVER_LETTER.commandComplete, decodeCommandComplete],
    [SERVER_LETTER.copyIn, (body) => decodeCopy('CopyInResponse', body)],
    [SERVER_LETTER.copyOut, (body) => decodeCopy('CopyOutResponse', body)],
    [SERVER_LETTER.copyBoth, (body) => decodeCopy('CopyBothResponse', body)],
  ],
);

function decodeAuthentication(body: Buffer): Authentication {
  const reader = new Reader('postgres: Authentication', 'PG_AUTHENTICATION', body);
  const method = reader.int32('method');
  switch (method) {
    case 0:
      reader.end();
      return { type: 'AuthenticationOk' };
    case 3:
      reader.end();
      return { type: 'AuthenticationCleartextPassword' };
    case 5: {
      const salt = Buffer.from(reader.bytes('salt', 4));
      reader.end();
      return { type: 'AuthenticationMD5Password', salt };
    }
    case 10:
      return { type: 'AuthenticationSASL', mechanisms: readList(reader, 'mechanism') };
    case 11:
      return { type: 'AuthenticationSASLContinue', data: Buffer.from(reader.rest()) };
    case 12:
      return { type: 'AuthenticationSASLFinal', data: Buffer.from(reader.rest()) };
    default:
      return { type: 'AuthenticationUnsupported', method };
  }
}

function readList(reader: Reader, field: string): readonly string[] {
  const names: string[] = [];
  for (let name = reader.cstring(field); name !== ''; name = reader.cstring(field)) names.push(name);
  reader.end();
  return names;
}

function decodeNegotiate(body: Buffer): ServerMessage {
  const reader = new Reader('postgres: NegotiateProtocolVersion', 'PG_NEGOTIATE', body);
  const major = reader.uint16('major');
  const minor = reader.uint16('minor');
  const count = reader.uint32('option count');
  const unknownOptions: string[] = [];
  for (let index = 0; index < count; index += 1) unknownOptions.push(reader.cstring('option'));
  reader.end();
  return { type: 'NegotiateProtocolVersion', major, minor, unknownOptions };
}

function decodeParameterStatus(body: Buffer): ServerMessage {
  const reader = new Reader('postgres: ParameterStatus', 'PG_PARAMETER_STATUS', body);
  const name = reader.cstring('name');
  const value = reader.cstring('value');
  reader.end();
  return { type: 'ParameterStatus', name, value };
}

function decodeKeyData(body: Buffer): ServerMessage {
  const reader = new Reader('postgres: BackendKeyData', 'PG_KEY_DATA', body);
  const processId = reader.int32('process id');
  const key = Buffer.from(reader.rest());
  if (key.length < 4 || key.length > 256)
    throw reader.fault('BAD_KEY', `key has ${key.length} bytes, expected 4 to 256`);
  return { type: 'BackendKeyData', processId, key };
}

function decodeReady(body: Buffer): ServerMessage {
  const reader = new Reader('postgres: ReadyForQuery', 'PG_READY', body);
  const status = String.fromCharCode(reader.uint8('status'));
  reader.end();
  if (status !== 'I' && status !== 'T' && status !== 'E') throw reader.fault('BAD_STATUS', 'status must be I, T or E');
  return { type: 'ReadyForQuery', status };
}

function decodeNotification(body: Buffer): ServerMessage {
  const reader = new Reader('postgres: NotificationResponse', 'PG_NOTIFICATION', body);
  const processId = reader.int32('process id');
  const channel = reader.cstring('channel');
  const payload = reader.cstring('payload');
  reader.end();
  return { type: 'NotificationResponse', processId, channel, payload };
}

function decodeCommandComplete(body: Buffer): ServerMessage {
  const reader = new Reader('postgres: CommandComplete', 'PG_COMMAND_COMPLETE', body);
  const tag = reader.cstring('tag');
  reader.end();
  return { type: 'CommandComplete', tag };
}

function decodeCopy(type: 'CopyInResponse' | 'CopyOutResponse' | 'CopyBothResponse', body: Buffer): ServerMessage {
  const reader = new Reader(`postgres: ${type}`, 'PG_COPY_RESPONSE', body);
  const format = reader.uint8('format');
  const count = reader.uint16('column count');
  const columnFormats: number[] = [];
  for (let index = 0; index < count; index += 1) columnFormats.push(reader.uint16('column format'));
  reader.end();
  return { type, format, columnFormats };
}

/** Encodes a message, header included. */
export function encodeServerMessage(message: ServerMessage): Buffer {
  const writer = new Writer();
  writer.uint8(0).int32(0);
  const letter = writeBody(writer, message);
  writer.patchInt32(1, writer.length - 1);
  const bytes = writer.finish();
  bytes[0] = letter;
  return bytes;
}

function writeBody(writer: Writer, message: ServerMessage): number {
  switch (message.type) {
    case 'NegotiateProtocolVersion':
      writer.uint16(message.major).uint16(message.minor).uint32(message.unknownOptions.length);
      for (const option of message.unknownOptions) writer.cstring(option);
      return SERVER_LETTER.negotiateProtocolVersion;
    case 'ParameterStatus':
      writer.cstring(message.name).cstring(message.value);
      return SERVER_LETTER.parameterStatus;
    case 'BackendKeyData':
      writer.int32(message.processId).bytes(message.key);
      return SERVER_LETTER.backendKeyData;
    case 'ReadyForQuery':
      writer.string(message.status);
      return SERVER_LETTER.readyForQuery;
    case 'ErrorResponse':
      writeFields(writer, message.fields);
      return SERVER_LETTER.errorResponse;
    case 'NoticeResponse':
      writeFields(writer, message.fields);
      return SERVER_LETTER.noticeResponse;
    case 'NotificationResponse':
      writer.int32(message.processId).cstring(message.channel).cstring(message.payload);
      return SERVER_LETTER.notificationResponse;
    case 'CommandComplete':
      writer.cstring(message.tag);
      return SERVER_LETTER.commandComplete;
    case 'CopyInResponse':
    case 'CopyOutResponse':
    case 'CopyBothResponse':
      writer.uint8(message.format).uint16(message.columnFormats.length);
      for (const format of message.columnFormats) writer.uint16(format);
      return COPY_LETTERS[message.type];
    default:
      writeAuthentication(writer, message);
      return SERVER_LETTER.authentication;
  }
}

function writeFields(writer: Writer, fields: ReadonlyMap<string, string>): void {
  for (const [field, value] of fields) writer.string(field).cstring(value);
  writer.uint8(0);
}

const COPY_LETTERS = {
  CopyInResponse: SERVER_LETTER.copyIn,
  CopyOutResponse: SERVER_LETTER.copyOut,
  CopyBothResponse: SERVER_LETTER.copyBoth,
} as const;

function writeAuthentication(writer: Writer, message: Authentication): void {
  switch (message.type) {
    case 'AuthenticationOk':
      writer.int32(0);
      break;
    case 'AuthenticationCleartextPassword':
      writer.int32(3);
      break;
    case 'AuthenticationMD5Password':
      writer.int32(5).bytes(message.salt);
      break;
    case 'AuthenticationSASL':
      writer.int32(10);
      for (const mechanism of message.mechanisms) writer.cstring(mechanism);
      writer.uint8(0);
      break;
    case 'AuthenticationSASLContinue':
      writer.int32(11).bytes(message.data);
      break;
    case 'AuthenticationSASLFinal':
      writer.int32(12).bytes(message.data);
      break;
    default:
      writer.int32(message.method);
  }
}
