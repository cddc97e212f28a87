import { ProtocolError } from '../../errors.ts';
import { type ClientMessage, encodeClientMessage } from './client-messages.ts';
import { encodeServerMessage } from './server-messages.ts';

/**
 * Conversations as short text, for tests and reviews: words of one direction, separated by blanks, become that direction's bytes. Not all of the protocol, but every message
 * that matters to who answers whom.
 *
 *     client:  Q(select 1)  P(s1:select $1)  B(portal:s1:a,b)  E(portal) E(portal/2)  DS(s1) DP(portal)  CS(s1) CP(portal)  S H X c f d(bytes) F(oid:a,b)
 *     server:  1 2 3 n t T s I V  C(SELECT 1)  D D*5  G H W c d(bytes)  Z(I)  E(22012:division by zero)  S(name=value)  N(text)  A(pid:channel:payload)
 */
export function clientBytes(trace: string): Buffer {
  return Buffer.concat(words(trace).map(clientWord));
}

/** As {@link clientBytes}, for what the database sends. */
export function serverBytes(trace: string): Buffer {
  return Buffer.concat(words(trace).map(serverWord));
}

function words(trace: string): readonly string[] {
  return trace.match(/[^\s(]+(?:\([^)]*\))?/g) ?? [];
}

function parts(word: string): { readonly letter: string; readonly args: string } {
  const open = word.indexOf('(');
  return open < 0 ? { letter: word, args: '' } : { letter: word.slice(0, open), args: word.slice(open + 1, -1) };
}

function split(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function clientWord(word: string): Buffer {
  const { letter, args } = parts(word);
  const make = CLIENT_WORDS.get(letter);
  if (make === undefined) throw new ProtocolError('TRACE_WORD', `trace: the client's word ${letter} is unknown`);
  return encodeClientMessage(make(args));
}

function values(text: string): readonly (Buffer | null)[] {
  return text === '' ? [] : text.split(',').map((value) => (value === 'null' ? null : Buffer.from(value)));
}

const CLIENT_WORDS: ReadonlyMap<string, (args: string) => ClientMessage> = new Map<
  string,
  (args: string) => ClientMessage
>([
  ['Q', (sql) => ({ type: 'Query', sql })],
  [
    'P',
    (args) => {
      const [statement, sql] = split(args, ':');
      return { type: 'Parse', statement, sql, parameterTypes: [] };
    },
  ],
  [
    'B',
    (args) => {
      const [portal, rest] = split(args, ':');
      const [statement, list] = split(rest, ':');
      return { type: 'Bind', portal, statement, formats: [], values: values(list), resultFormats: [] };
    },
  ],
  [
    'E',
    (args) => {
      const [portal, limit] = split(args, '/');
      return { type: 'Execute', portal, maxRows: Number(limit) };
    },
  ],
  ['DS', (name) => ({ type: 'Describe', target: 'statement', name })],
  ['DP', (name) => ({ type: 'Describe', target: 'portal', name })],
  ['CS', (name) => ({ type: 'Close', target: 'statement', name })],
  ['CP', (name) => ({ type: 'Close', target: 'portal', name })],
  ['S', () => ({ type: 'Sync' })],
  ['H', () => ({ type: 'Flush' })],
  ['X', () => ({ type: 'Terminate' })],
  ['c', () => ({ type: 'CopyDone' })],
  ['f', (reason) => ({ type: 'CopyFail', reason })],
  ['d', (data) => ({ type: 'CopyData', data: Buffer.from(data) })],
  [
    'F',
    (args) => {
      const [oid, list] = split(args, ':');
      return { type: 'FunctionCall', oid: Number(oid), formats: [], values: values(list), resultFormat: 0 };
    },
  ],
]);

function serverWord(word: string): Buffer {
  const { letter, args } = parts(word);
  const [name, times] = split(letter, '*');
  const one = serverMessage(name, args);
  return times === '' ? one : Buffer.concat(Array.from({ length: Number(times) }, () => one));
}

function serverMessage(letter: string, args: string): Buffer {
  const [first, rest] = split(args, ':');
  switch (letter) {
    case 'C':
      return encodeServerMessage({ type: 'CommandComplete', tag: args });
    case 'Z':
      return encodeServerMessage({ type: 'ReadyForQuery', status: args === 'T' || args === 'E' ? args : 'I' });
    case 'E':
      return encodeServerMessage({ type: 'ErrorResponse', fields: errorFields('ERROR', first, rest) });
    case 'N':
      return encodeServerMessage({ type: 'NoticeResponse', fields: errorFields('NOTICE', '00000', args) });
    case 'S': {
      const [name, value] = split(args, '=');
      return encodeServerMessage({ type: 'ParameterStatus', name, value });
    }
    case 'A': {
      const [channel, payload] = split(rest, ':');
      return encodeServerMessage({ type: 'NotificationResponse', processId: Number(first), channel, payload });
    }
    case 't':
      return raw(
        't',
        Buffer.concat([
          Buffer.from([0, args === '' ? 0 : args.split(',').length]),
          ...(args === '' ? [] : args.split(',').map(oidBytes)),
        ]),
      );
    default:
      return raw(letter, BODIES.get(letter) ?? Buffer.from(args));
  }
}

function errorFields(severity: string, code: string, message: string): ReadonlyMap<string, string> {
  return new Map([
    ['S', severity],
    ['V', severity],
    ['C', code],
    ['M', message],
  ]);
}

function oidBytes(oid: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(Number(oid));
  return bytes;
}

function raw(letter: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(letter, 'latin1');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

/** RowDescription without columns, DataRow with one column "x", Copy responses without columns, a null function result. */
const BODIES: ReadonlyMap<string, Buffer> = new Map([
  ['T', Buffer.from([0, 0])],
  ['D', Buffer.from([0, 1, 0, 0, 0, 1, 0x78])],
  ['G', Buffer.from([0, 0, 0])],
  ['H', Buffer.from([0, 0, 0])],
  ['W', Buffer.from([0, 0, 0])],
  ['V', Buffer.from([0xff, 0xff, 0xff, 0xff])],
]);
