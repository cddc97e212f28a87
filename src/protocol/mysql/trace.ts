import { ProtocolError } from '../../errors.ts';
import { Writer } from '../../wire/writer.ts';
import { COM, SERVER_STATUS } from './capabilities.ts';
import { encodeErr } from './err.ts';
import { writeLenenc, writeLenencBytes } from './lenenc.ts';
import { encodeEof, encodeOk, plainOk } from './ok.ts';
import { encodePacket } from './packet.ts';
import type { LegCapabilities } from './records.ts';
import { encodeTrack } from './session-track.ts';

/**
 * Conversations as short text, for tests and reviews: words of one direction, separated by blanks, become that direction's packets. Not all of the protocol, but
 * every packet that matters to who answers whom. Numbers in words are decimal, raw bytes hexadecimal.
 *
 *     client:  Q(select 1) I(db) P(select ?) E(1:a,b) E(1) E(1:a,=) L(1/0:data) C(1) R(1) F(1/10) B(1:data) K(42) N X Z O(1) T(table) S I(db)
 *              c(11:rest)   any command by its byte in hex          f(data)   file data; f() is its end
 *     server:  ok ok(a=1,id=2,s=8,w=1,info=x,db=name,var=name:value) end(...) eof(s=8,w=1) err(1064:42000:text) n(2) n(2+) n(2-) def def*2 row row*5
 *              prep(1,cols,params) fb(file) text(Uptime) progress raw(00) and  |  between two answers, which begin with the sequence number 1; @3 sets it
 */
export function clientBytes(trace: string): Buffer {
  let sequence = 0;
  return Buffer.concat(
    words(trace).map((word) => {
      const { name, args } = parts(word);
      if (name === '@') {
        sequence = Number(args);
        return Buffer.alloc(0);
      }
      if (name !== 'f') return encodePacket(0, command(name, args));
      sequence += 1;
      return encodePacket(sequence - 1, Buffer.from(args));
    }),
  );
}

/** As {@link clientBytes}, for what the database sends on a leg with these capabilities. */
export function serverBytes(trace: string, leg: LegCapabilities, firstSequence = 1): Buffer {
  let sequence = firstSequence;
  const packets: Buffer[] = [];
  for (const word of words(trace)) {
    const { name, args, times } = parts(word);
    if (name === '|') sequence = 1;
    else if (name === '@') sequence = Number(args);
    else {
      const payload = answer(name, args, leg);
      for (let index = 0; index < times; index += 1) {
        const packet = encodePacket(sequence, payload);
        packets.push(packet);
        sequence = (sequence + 1) & 0xff;
      }
    }
  }
  return Buffer.concat(packets);
}

type Word = { readonly name: string; readonly args: string; readonly times: number };

function words(trace: string): readonly string[] {
  return trace.match(/[^\s(]+(?:\([^)]*\))?/g) ?? [];
}

function parts(word: string): Word {
  if (word.startsWith('@')) return { name: '@', args: word.slice(1), times: 1 };
  const open = word.indexOf('(');
  const letter = open < 0 ? word : word.slice(0, open);
  const [name, times] = split(letter, '*');
  return { name, args: open < 0 ? '' : word.slice(open + 1, -1), times: times === '' ? 1 : Number(times) };
}

function split(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

function command(name: string, args: string): Buffer {
  const byte = name === 'c' ? Number.parseInt(split(args, ':')[0], 16) : COMMANDS.get(name);
  if (byte === undefined) throw new ProtocolError('TRACE_WORD', `trace: the client's word ${name} is unknown`);
  return new Writer().uint8(byte).bytes(commandBody(name, args)).finish();
}

function commandBody(name: string, args: string): Buffer {
  const [first, rest] = split(args, name === 'L' || name === 'F' ? '/' : ':');
  const id = Number(first) >>> 0;
  const writer = new Writer();
  switch (name) {
    case 'c':
      return Buffer.from(rest, 'latin1');
    case 'E':
      return execution(id, rest);
    case 'B':
      return writer.uint32LE(id).uint16LE(128).string(rest).finish();
    case 'L': {
      const [parameter, data] = split(rest, ':');
      return writer.uint32LE(id).uint16LE(Number(parameter)).string(data).finish();
    }
    case 'F':
      return writer.uint32LE(id).uint32LE(Number(rest)).finish();
    case 'C':
    case 'R':
    case 'K':
      return writer.uint32LE(id).finish();
    case 'O':
      return writer.uint16LE(id).finish();
    case 'T':
      return Buffer.from(`${args}\0`);
    default:
      return Buffer.from(args);
  }
}

/** `id | flags 0 | 1 | bitmap | new types | types | values`; a list that ends in `=` sends no types. */
function execution(id: number, list: string): Buffer {
  const values = list === '' ? [] : list.split(',');
  const known = values.at(-1) === '=';
  if (known) values.pop();
  const writer = new Writer().uint32LE(id).uint8(0).uint32LE(1);
  if (values.length === 0) return writer.finish();
  const nulls = Buffer.alloc((values.length + 7) >> 3);
  for (const [index, value] of values.entries())
    if (value === 'null') nulls[index >> 3] = (nulls[index >> 3] ?? 0) | (1 << (index & 7));
  writer.bytes(nulls).uint8(known ? 0 : 1);
  if (!known) for (const _value of values) writer.uint16LE(0xfd);
  for (const value of values) if (value !== 'null' && value !== 'long') writeLenencBytes(writer, Buffer.from(value));
  return writer.finish();
}

const COMMANDS: ReadonlyMap<string, number> = new Map([
  ['Q', COM.COM_QUERY],
  ['I', COM.COM_INIT_DB],
  ['P', COM.COM_STMT_PREPARE],
  ['E', COM.COM_STMT_EXECUTE],
  ['B', COM.COM_STMT_BULK_EXECUTE],
  ['L', COM.COM_STMT_SEND_LONG_DATA],
  ['C', COM.COM_STMT_CLOSE],
  ['R', COM.COM_STMT_RESET],
  ['F', COM.COM_STMT_FETCH],
  ['K', COM.COM_PROCESS_KILL],
  ['N', COM.COM_PING],
  ['X', COM.COM_QUIT],
  ['Z', COM.COM_RESET_CONNECTION],
  ['O', COM.COM_SET_OPTION],
  ['T', COM.COM_FIELD_LIST],
  ['S', COM.COM_STATISTICS],
]);

function answer(name: string, args: string, leg: LegCapabilities): Buffer {
  const [first, rest] = split(args, ':');
  switch (name) {
    case 'ok':
    case 'end':
      return okPayload(name, args, leg);
    case 'eof': {
      const { s = '0', w = '0' } = settings(args);
      return encodeEof({ status: Number(s), warnings: Number(w) });
    }
    case 'err': {
      const [sqlState, message] = split(rest, ':');
      return encodeErr({ code: Number(first), sqlState, message }, { sqlState: true });
    }
    case 'n': {
      const writer = writeLenenc(new Writer(), Number(args.replace(/[+-]$/, '')));
      return /[+-]$/.test(args) ? writer.uint8(args.endsWith('+') ? 1 : 0).finish() : writer.finish();
    }
    case 'prep': {
      const [id = 0, columns = 0, parameters = 0] = args.split(',').map(Number);
      return new Writer().uint8(0).uint32LE(id).uint16LE(columns).uint16LE(parameters).uint8(0).uint16LE(0).finish();
    }
    default:
      return bare(name, args);
  }
}

function bare(name: string, args: string): Buffer {
  switch (name) {
    case 'fb':
      return Buffer.concat([Buffer.from([0xfb]), Buffer.from(args)]);
    case 'progress':
      return Buffer.from('ffffff0101044d010011636f707920746f20746d70207461626c65', 'hex');
    case 'def':
      return Buffer.from('0364656600000001780c3f000100000003800000000000', 'hex');
    case 'row':
      return Buffer.from('0178', 'hex');
    case 'raw':
      return Buffer.from(args, 'hex');
    case 'text':
      return Buffer.from(args);
    default:
      throw new ProtocolError('TRACE_WORD', `trace: the server's word ${name} is unknown`);
  }
}

function okPayload(name: 'ok' | 'end', args: string, leg: LegCapabilities): Buffer {
  const { a = '0', id = '0', s = '2', w = '0', info = '', db, var: variable } = settings(args);
  const track = encodeTrack([
    ...(variable === undefined ? [] : [systemVariable(variable)]),
    ...(db === undefined ? [] : [{ type: 'schema', name: db } as const]),
  ]);
  const changed = track.length === 0 ? 0 : SERVER_STATUS.SESSION_STATE_CHANGED;
  const header = name === 'ok' ? 'ok' : 'eof';
  const counts = { affectedRows: BigInt(a), lastInsertId: BigInt(id), warnings: Number(w), info: Buffer.from(info) };
  return encodeOk({ ...plainOk(Number(s) | changed), header, ...counts, track }, leg.flags);
}

function systemVariable(text: string): {
  readonly type: 'system-variable';
  readonly name: string;
  readonly value: string;
} {
  const [name, value] = split(text, ':');
  return { type: 'system-variable', name, value };
}

function settings(args: string): Readonly<Record<string, string | undefined>> {
  if (args === '') return {};
  return Object.fromEntries(args.split(',').map((pair) => split(pair, '=')));
}
