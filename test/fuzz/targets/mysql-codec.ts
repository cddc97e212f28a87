import { decodeAuthAnswer, encodeAuthSwitch } from '../../../src/protocol/mysql/auth-packets.ts';
import { CLIENT, has, SERVER_STATUS } from '../../../src/protocol/mysql/capabilities.ts';
import { decodeErr, decodeProgress, encodeErr, isErr, isProgress } from '../../../src/protocol/mysql/err.ts';
import { decodeGreeting, encodeGreeting } from '../../../src/protocol/mysql/greeting.ts';
import {
  decodeHandshakeResponse,
  decodeSslRequest,
  encodeHandshakeResponse,
  encodeSslRequest,
} from '../../../src/protocol/mysql/handshake-response.ts';
import { decodeOk, encodeOk, plainOk } from '../../../src/protocol/mysql/ok.ts';
import { encodeTrack, okForClient, readTrack } from '../../../src/protocol/mysql/session-track.ts';

const flags = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH | CLIENT.SESSION_TRACK;
const client = { capabilities: flags, extended: 0x1d, maxPacketSize: 1 << 24, charset: 45 };

/** What MySQL's and MariaDB's connection phase is read with, and the rewriting of OK packets. */
export const MYSQL_CODEC_TARGETS = [
  { name: 'mysql-greeting', seeds: greetings(), run: (chunks: readonly Buffer[]) => readServer(Buffer.concat(chunks)) },
  {
    name: 'mysql-handshake',
    seeds: responses(),
    run: (chunks: readonly Buffer[]) => readClient(Buffer.concat(chunks)),
  },
  { name: 'mysql-sign-in', seeds: answers(), run: (chunks: readonly Buffer[]) => readAnswer(Buffer.concat(chunks)) },
  { name: 'mysql-ok', seeds: [tracked()], run: (chunks: readonly Buffer[]) => rewriteOk(Buffer.concat(chunks)) },
];

function greetings(): readonly Buffer[] {
  const greeting = {
    serverVersion: '5.5.5-10.11.2-MariaDB',
    connectionId: 7,
    scramble: Buffer.alloc(20, 0x41),
    capabilities: flags,
    extended: 0x1d,
    charset: 45,
    status: 2,
    plugin: 'mysql_native_password',
  };
  const refusal = encodeErr({ code: 1040, sqlState: '08004', message: 'Too many connections' }, { sqlState: false });
  return [encodeGreeting(greeting), refusal];
}

function readServer(bytes: Buffer): unknown {
  return isErr(bytes) ? decodeErr(bytes, 0) : decodeGreeting(bytes);
}

function responses(): readonly Buffer[] {
  const more = CLIENT.CONNECT_WITH_DB | CLIENT.CONNECT_ATTRS | CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA;
  const response = encodeHandshakeResponse({
    ...client,
    capabilities: (flags | more) >>> 0,
    user: 'alice',
    authResponse: Buffer.alloc(20, 1),
    database: 'shop',
    plugin: 'mysql_native_password',
    attributes: new Map([['program_name', 'mysql']]),
  });
  return [response, encodeSslRequest(client)];
}

/** What was read must come out as it went in, or the database would be asked for something else than what was checked. */
function readClient(bytes: Buffer): void {
  if (decodeSslRequest(bytes) !== undefined) return;
  const response = decodeHandshakeResponse(bytes, 64 * 1024);
  const capabilities = (response.capabilities | CLIENT.SECURE_CONNECTION) & ~CLIENT.ZSTD_COMPRESSION_ALGORITHM;
  const lenenc = CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA;
  const again = decodeHandshakeResponse(
    encodeHandshakeResponse({ ...response, capabilities: (capabilities | lenenc) >>> 0 }),
  );
  if (again.user !== response.user || again.database !== response.database)
    throw new Error('a name changed on its way');
}

function answers(): readonly Buffer[] {
  const switched = encodeAuthSwitch({ plugin: 'client_ed25519', data: Buffer.alloc(32, 3) });
  return [
    switched,
    Buffer.from('0104', 'hex'),
    encodeOk(plainOk(2), flags),
    Buffer.from('ffffff0101044d01000161', 'hex'),
  ];
}

function readAnswer(bytes: Buffer): unknown {
  return isProgress(bytes) ? decodeProgress(bytes) : decodeAuthAnswer(bytes, flags);
}

function tracked(): Buffer {
  const track = encodeTrack([
    { type: 'system-variable', name: 'redirect_url', value: 'mysql://elsewhere' },
    { type: 'schema', name: 'shop' },
    { type: 'gtids', value: 'a:1' },
  ]);
  return encodeOk({ ...plainOk(2), info: Buffer.from('info'), track }, flags);
}

function rewriteOk(bytes: Buffer): void {
  const { track = Buffer.alloc(0) } = decodeOk(okForClient(bytes, flags, flags), flags);
  for (const entry of readTrack(track))
    if (entry.type === 'system-variable' && entry.name.toLowerCase() === 'redirect_url')
      throw new Error('a redirection reached the client');
  const plain = decodeOk(okForClient(bytes, flags, CLIENT.PROTOCOL_41), CLIENT.PROTOCOL_41);
  if (has(plain.status, SERVER_STATUS.SESSION_STATE_CHANGED) || plain.info.length > bytes.length)
    throw new Error('session tracking reached a client that did not ask for it');
}
