/** What a database in MySQL's place may say that no real one says, and what a client gets of it. */
import { setImmediate as turn } from 'node:timers/promises';
import { encodeAuthSwitch } from '../../src/protocol/mysql/auth-packets.ts';
import { CLIENT, SERVER_STATUS } from '../../src/protocol/mysql/capabilities.ts';
import { encodeErr } from '../../src/protocol/mysql/err.ts';
import { encodeGreeting } from '../../src/protocol/mysql/greeting.ts';
import { encodeOk, plainOk } from '../../src/protocol/mysql/ok.ts';
import { encodePacket } from '../../src/protocol/mysql/packet.ts';
import { encodeTrack } from '../../src/protocol/mysql/session-track.ts';
import { type ScriptedClient, usualGreeting } from '../kit/mysql-stand-in.ts';

/** Stands in what no client may get and no service may log. */
export const trap = 'file-of-the-client';
/** More than may be kept of it. */
export const floodBytes = 256 * 2 ** 20;

type Script = (client: ScriptedClient) => void | Promise<void>;
/** What the stand-in does from now on: bytes in place of its greeting, whose certificate it shows, and what it says to a handshake response. */
export type Behaviour = { readonly opening?: Buffer; readonly shows?: 'foreign'; readonly script?: Script };

type Track = Parameters<typeof encodeTrack>[0];
export const ok = (track: Track = [], status = 0): Buffer =>
  encodeOk({ ...plainOk(SERVER_STATUS.AUTOCOMMIT | status), track: encodeTrack(track) }, CLIENT.SESSION_TRACK);
export const schema = (name: string): Track => [{ type: 'schema', name }];
export const redirect: Track = [{ type: 'system-variable', name: 'redirect_url', value: `mysql://${trap}:3306` }];
const err = (code: number, message: string): Buffer =>
  encodeErr({ code, sqlState: 'HY000', message }, { sqlState: true });
const greeting = (change: Partial<typeof usualGreeting> = {}): Buffer =>
  encodePacket(0, encodeGreeting({ ...usualGreeting, ...change }));
const file = Buffer.from(`\xfb/etc/${trap}`, 'latin1');
const switchTo = (plugin: string, data = Buffer.alloc(0)): Buffer => encodeAuthSwitch({ plugin, data });

/** No session comes of these: the ERR that the client gets. */
export const signIns: readonly (Behaviour & {
  readonly name: string;
  readonly code: number;
  readonly text?: RegExp;
})[] = [
  { name: 'says nothing', opening: Buffer.alloc(0), code: 1053, text: /did not answer in time/ },
  { name: 'says garbage', opening: Buffer.alloc(500, 9), code: 1053, text: /does not speak the MySQL protocol/ },
  { name: 'says ones', opening: Buffer.alloc(500, 0xff), code: 1053 },
  { name: 'speaks HTTP', opening: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), code: 1053 },
  { name: 'greets by protocol 9', opening: encodePacket(0, Buffer.from('\x093.20\0\0\0\0\0abcdefgh\0')), code: 1053 },
  {
    name: 'greets with a version that does not end',
    opening: encodePacket(0, Buffer.concat([Buffer.from([10]), Buffer.alloc(900, 0x39)])),
    code: 1053,
  },
  {
    name: 'greets without TLS',
    opening: greeting({ capabilities: usualGreeting.capabilities & ~CLIENT.SSL }),
    code: 1053,
    text: /does not offer TLS/,
  },
  {
    name: 'is full',
    opening: encodePacket(0, Buffer.from('\xff\x10\x04Too many connections', 'latin1')),
    code: 1040,
    text: /Too many connections/,
  },
  { name: 'stuffs an OK behind its greeting', opening: Buffer.concat([greeting(), encodePacket(2, ok())]), code: 1053 },
  { name: 'shows a certificate of somebody else', shows: 'foreign', code: 1053, text: /certificate/ },
  { name: 'says OK with a wrong number', script: (client) => client.send(ok(), 9), code: 1053 },
  { name: 'says half an OK and goes', script: (client) => leave(client, [7, 0, 0, 2, 0]), code: 1053 },
  { name: 'says an OK of garbage', script: (client) => client.send(Buffer.from([0, 0xfe, 1])), code: 1053 },
  { name: 'asks for a file', script: (client) => client.send(file), code: 1053 },
  { name: 'asks for the password in clear', script: askForPassword, code: 1045, text: /nothing came/ },
  {
    name: 'asks for a plugin that nobody has',
    script: (client) => client.send(switchTo('dialog', Buffer.from(trap))),
    code: 1053,
    text: /"dialog"/,
  },
  { name: 'never comes to a decision', script: decideNever, code: 1053 },
  { name: 'floods', script: (client) => flood(client, Buffer.from([1, 0, 0, 2, 1])), code: 1053 },
  {
    name: 'claims an answer of 16 MB',
    script: (client) => client.raw(Buffer.from([0xff, 0xff, 0xff, 2, 0])),
    code: 1053,
  },
  { name: 'refuses with a number of client libraries', script: (client) => client.send(err(2013, 'lost')), code: 1045 },
  { name: 'takes the name for another one', script: (client) => client.send(ok(schema('other'))), code: 1049 },
];

/** The answer to an ordinary SELECT. */
export type Row = {
  readonly name: string;
  readonly answer: Script;
  /** The packets that the client gets: `ok`, an ERR's number, or the first byte in hexadecimal; and the sequence number. */
  readonly gets: readonly string[];
  readonly ending: 'ends' | 'goes on';
};

const count = Buffer.from([1]);
const definition = Buffer.from('\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0', 'latin1');
const eof = Buffer.from([0xfe, 0, 0, 2, 0]);
export const goodAnswer = [count, definition, eof, Buffer.from('\x011'), eof];
/** "The database sent a malformed answer", and "asked for a local file". */
export const [malformed, fileRefused] = ['1105', '3948'];

export const answers: readonly Row[] = [
  { name: 'a wish for a file', answer: say(file), gets: [`${fileRefused}@1`], ending: 'ends' },
  {
    name: 'a wish for a file as the second result',
    answer: say(ok([], 8), file),
    gets: ['ok@1', `${fileRefused}@2`],
    ending: 'ends',
  },
  {
    // There it is a row of NULL.
    name: 'a wish for a file among rows',
    answer: say(...goodAnswer.slice(0, 4), file, eof),
    gets: ['0x01@1', '0x03@2', '0xfe@3', '0x01@4', '0xfb@5', '0xfe@6'],
    ending: 'goes on',
  },
  {
    name: 'an OK with a wrong number',
    answer: (client) => client.send(ok(), 7),
    gets: [`${malformed}@1`],
    ending: 'ends',
  },
  { name: 'two OKs', answer: say(ok(), ok()), gets: ['ok@1', `${malformed}@1`], ending: 'ends' },
  { name: 'an empty packet', answer: say(Buffer.alloc(0)), gets: [`${malformed}@1`], ending: 'ends' },
  { name: 'an EOF', answer: say(eof), gets: [`${malformed}@1`], ending: 'ends' },
  { name: 'a second greeting', answer: (client) => client.raw(greeting()), gets: [`${malformed}@1`], ending: 'ends' },
  {
    name: '2^63 columns',
    answer: say(Buffer.from([0xfe, 0, 0, 0, 0, 0, 0, 0, 0x80])),
    gets: [`${malformed}@1`],
    ending: 'ends',
  },
  {
    name: 'an answer that claims 16 MB',
    answer: (client) => client.raw(Buffer.from([0xff, 0xff, 0xff, 1, 0])),
    gets: [`${malformed}@1`],
    ending: 'ends',
  },
  { name: 'an OK cut short', answer: say(Buffer.from([0, 0xfd])), gets: [`${malformed}@1`], ending: 'ends' },
  {
    name: 'session state that lies about its length',
    answer: say(Buffer.from('000000024000000005010100', 'hex')),
    gets: [`${malformed}@1`],
    ending: 'ends',
  },
  {
    name: 'half a result, and it goes',
    answer: (client) => {
      say(count, definition)(client);
      client.end();
    },
    gets: ['0x01@1', '0x03@2'],
    ending: 'ends',
  },
  {
    name: 'half a packet, and it goes',
    answer: (client) => leave(client, [100, 0, 0, 1, 1]),
    gets: [],
    ending: 'ends',
  },
  { name: 'a redirection', answer: say(ok(redirect)), gets: ['ok@1'], ending: 'goes on' },
  {
    name: 'another default database, which is allowed',
    answer: say(ok(schema('spare'))),
    gets: ['ok@1'],
    ending: 'goes on',
  },
  {
    name: 'another default database, which is not, and back',
    answer: (client) => elsewhere(client, ok(schema('shop'))),
    gets: ['1044@1'],
    ending: 'goes on',
  },
  {
    name: 'another default database, which is not, and not back',
    answer: (client) => elsewhere(client, err(1049, 'no')),
    gets: ['1044@1', '1049@1'],
    ending: 'ends',
  },
  {
    name: "a progress report, which is only MariaDB's",
    answer: say(Buffer.from('ffffff01010100000000', 'hex')),
    gets: ['65535@1'],
    ending: 'goes on',
  },
  { name: 'an error of 60 KB', answer: say(err(1064, 'x'.repeat(60_000))), gets: ['1064@1'], ending: 'goes on' },
  {
    name: 'an error as its last word',
    answer: (client) => {
      client.send(err(1927, 'killed'), 0);
      client.end();
    },
    gets: ['1927@0'],
    ending: 'ends',
  },
];

/** Answers that never end. */
export const floods: readonly { readonly name: string; readonly begin: readonly Buffer[]; readonly bytes: Buffer }[] = [
  {
    name: 'rows without end',
    begin: goodAnswer.slice(0, 3),
    bytes: Buffer.from(`\xfc\xe8\x03${'x'.repeat(1000)}`, 'latin1'),
  },
  { name: 'one row without end', begin: goodAnswer.slice(0, 3), bytes: Buffer.alloc(0xff_ffff, 0x61) },
  {
    name: 'results without end',
    begin: [],
    bytes: encodeOk({ ...plainOk(SERVER_STATUS.MORE_RESULTS_EXISTS), info: Buffer.alloc(200, 0x61) }, 0),
  },
];

/** Health checks are refused, as everywhere. */
export function unlessProbed(script: Script | undefined): (client: ScriptedClient) => Promise<void> {
  return async (client) => {
    const { payload } = await client.read();
    if (payload.includes('tessera-probe')) client.send(err(1045, 'no'));
    else await script?.(client);
  };
}

/** Signs in whoever comes, answers the first statement by `answer` and the later ones as it should. */
export function answering(answer: Script, accept: Buffer = ok(schema('shop'))): Script {
  return async (client) => {
    client.send(accept);
    await client.read();
    await answer(client);
    for (;;) {
      await client.read();
      say(...goodAnswer)(client);
    }
  };
}

export function say(...payloads: readonly Buffer[]): (client: ScriptedClient) => void {
  return (client) => {
    for (const payload of payloads) client.send(payload);
  };
}

function leave(client: ScriptedClient, bytes: readonly number[]): void {
  client.raw(Buffer.from(bytes));
  client.end();
}

/** Tells that it is in `other` now, and answers so to being sent back. */
async function elsewhere(client: ScriptedClient, answer: Buffer): Promise<void> {
  client.send(ok(schema('other')));
  await client.read();
  client.send(answer);
}

async function askForPassword(client: ScriptedClient): Promise<void> {
  client.send(switchTo('mysql_clear_password'));
  const { payload } = await client.read();
  client.send(err(1045, payload.every((byte) => byte === 0) ? 'nothing came' : 'something came'));
}

async function decideNever(client: ScriptedClient): Promise<void> {
  for (;;) {
    client.send(switchTo('mysql_native_password', Buffer.alloc(21, 0x61)));
    await client.read();
  }
}

async function flood(client: ScriptedClient, bytes: Buffer): Promise<void> {
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => bytes));
  for (let sent = 0; sent < floodBytes; sent += many.length) {
    client.raw(many);
    await turn();
  }
}

/** The same packet again and again, with numbers that go on; parts of 16 MiB make one packet. */
export async function floodPackets(client: ScriptedClient, first: number, payload: Buffer): Promise<void> {
  let sequence = first;
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  for (let sent = 0; sent < floodBytes + 0xff_ffff;) {
    const parts: Buffer[] = [];
    for (let size = 0; size < 65_536; size += payload.length + 4) {
      header[3] = sequence++ & 0xff;
      parts.push(Buffer.from(header), payload);
    }
    const bytes = Buffer.concat(parts);
    client.raw(bytes);
    sent += bytes.length;
    await turn();
  }
}
