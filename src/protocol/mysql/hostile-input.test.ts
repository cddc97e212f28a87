// Every decoder of the connection phase against bytes that nobody sane would send: it answers or it throws a ProtocolError, nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../errors.ts';
import { decodeAuthAnswer, encodeAuthSwitch } from './auth-packets.ts';
import { CLIENT } from './capabilities.ts';
import { decodeParsecSalt } from './ed25519.ts';
import { decodeErr, decodeProgress, encodeErr } from './err.ts';
import { decodeGreeting, encodeGreeting } from './greeting.ts';
import {
  decodeHandshakeResponse,
  decodeSslRequest,
  encodeHandshakeResponse,
  encodeSslRequest,
} from './handshake-response.ts';
import { decodeEof, decodeOk, encodeEof, encodeOk, plainOk } from './ok.ts';
import { decodePacket, encodePacket } from './packet.ts';
import { encodeTrack, okForClient, readTrack, withoutRedirect } from './session-track.ts';

const flags =
  (CLIENT.PROTOCOL_41 | CLIENT.SESSION_TRACK | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH | CLIENT.CONNECT_ATTRS) >>>
  0;
const client = { capabilities: flags, extended: 1, maxPacketSize: 1 << 24, charset: 45 };
const track = encodeTrack([
  { type: 'system-variable', name: 'redirect_url', value: 'mysql://elsewhere' },
  { type: 'schema', name: 'shop' },
  { type: 'gtids', value: 'a:1' },
]);
const ok = encodeOk({ ...plainOk(2), info: Buffer.from('info'), track }, flags);

/** Each with something that it reads, so that small changes reach deep. */
const decoders: readonly { name: string; seed: Buffer; read: (bytes: Buffer) => unknown }[] = [
  { name: 'packet', seed: encodePacket(1, ok), read: decodePacket },
  {
    name: 'greeting',
    seed: encodeGreeting({
      serverVersion: '11.8.9-MariaDB',
      connectionId: 7,
      scramble: Buffer.alloc(20, 0x41),
      capabilities: flags,
      extended: 0x1d,
      charset: 45,
      status: 2,
      plugin: 'mysql_native_password',
    }),
    read: decodeGreeting,
  },
  { name: 'SSLRequest', seed: encodeSslRequest(client), read: decodeSslRequest },
  {
    name: 'handshake response',
    seed: encodeHandshakeResponse({
      ...client,
      capabilities: (flags | CLIENT.CONNECT_WITH_DB | CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA) >>> 0,
      user: 'alice',
      authResponse: Buffer.alloc(20, 1),
      database: 'shop',
      plugin: 'mysql_native_password',
      attributes: new Map([['program_name', 'mysql']]),
    }),
    read: (bytes) => decodeHandshakeResponse(bytes, 1 << 20),
  },
  { name: 'OK', seed: ok, read: (bytes) => decodeOk(bytes, flags) },
  { name: 'OK without session tracking', seed: ok, read: (bytes) => decodeOk(bytes, CLIENT.PROTOCOL_41) },
  { name: 'OK for a client', seed: ok, read: (bytes) => okForClient(bytes, flags, flags) },
  {
    name: 'OK for a client without session tracking',
    seed: ok,
    read: (bytes) => okForClient(bytes, flags, CLIENT.PROTOCOL_41),
  },
  { name: 'EOF', seed: encodeEof({ warnings: 0, status: 2 }), read: decodeEof },
  {
    name: 'ERR',
    seed: encodeErr({ code: 1045, sqlState: '28000', message: 'no' }, { sqlState: true }),
    read: (bytes) => decodeErr(bytes, flags),
  },
  { name: 'progress report', seed: Buffer.from('ffffff0101044d01000161', 'hex'), read: decodeProgress },
  {
    name: 'sign-in answer',
    seed: encodeAuthSwitch({ plugin: 'client_ed25519', data: Buffer.alloc(32, 3) }),
    read: (bytes) => decodeAuthAnswer(bytes, flags),
  },
  { name: 'session track', seed: track, read: readTrack },
  { name: 'session track without redirection', seed: track, read: withoutRedirect },
  {
    name: 'extended salt',
    seed: Buffer.concat([Buffer.from('P\0'), Buffer.alloc(18, 5)]),
    read: (bytes) => decodeParsecSalt(bytes),
  },
];

for (const decoder of decoders) {
  test(`hostile input: ${decoder.name} of random bytes`, () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => survives(decoder.read, Buffer.from(bytes))));
  });
  test(`hostile input: ${decoder.name} cut and changed`, () => {
    assert.doesNotThrow(() => decoder.read(decoder.seed));
    const changes = fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff)), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(changes, fc.nat(), fc.uint8Array({ maxLength: 6 }), (list, cut, more) => {
        const bytes = Buffer.from(decoder.seed);
        for (const [at, value] of list) bytes[at % bytes.length] = value;
        survives(decoder.read, Buffer.concat([bytes.subarray(0, cut % (bytes.length + 1)), more]));
        survives(decoder.read, bytes);
      }),
      { numRuns: 300 },
    );
  });
}

test('hostile input: whatever an OK claims, no redirection reaches a client', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 });
  fc.assert(
    fc.property(changes, (list) => {
      const bytes = Buffer.from(ok);
      for (const [at, value] of list) bytes[at % bytes.length] = value;
      survives((input) => {
        const said = decodeOk(okForClient(input, flags, flags), flags);
        const entries = said.track === undefined ? [] : readTrack(said.track);
        assert.ok(
          !entries.some((entry) => entry.type === 'system-variable' && entry.name.toLowerCase() === 'redirect_url'),
        );
      }, bytes);
    }),
    { numRuns: 500 },
  );
});

function survives(read: (bytes: Buffer) => unknown, bytes: Buffer): void {
  try {
    read(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    // For a person: it says something, and nothing that a peer could have put there.
    assert.match(error.message, /^mysql: [\x20-\x7e]{1,300}$/);
  }
}
