import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { dialRaw, secure, TestCluster, TestGateway, until } from '../../../test/kit/gateway.ts';
import { WebClient } from '../../../test/kit/web-client.ts';

/** Frames by hand that no client sends: each ends its own connection, soon, and nothing else. */

let here: TestGateway;
before(async () => {
  here = await TestGateway.start(await TestCluster.create(), { limits: { handshakeTimeoutMs: 20_000 } });
});
after(() => here.close());

const HEADERS = 1;
const PRIORITY = 2;
const SETTINGS = 4;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;
const END_HEADERS = 4;

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header without Huffman code and without a place in the table (RFC 7541, section 6.2.2); both texts below 127 bytes. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

const request = Buffer.concat([
  literal(':method', 'GET'),
  literal(':scheme', 'https'),
  literal(':path', '/web/'),
  literal(':authority', 'localhost'),
]);
const open = (turn: number, flags: number): Buffer => frame(HEADERS, flags, 2 * turn + 1, request);

const attacks: Readonly<Record<string, (turn: number) => Buffer>> = {
  'headers that never end': (turn) =>
    turn === 0 ? open(0, 0) : frame(CONTINUATION, 0, 1, literal('x', 'y'.repeat(120))),
  'empty pieces of headers': (turn) => (turn === 0 ? open(0, 0) : frame(CONTINUATION, 0, 1)),
  'streams that we are made to reset: a window of nothing more': (turn) =>
    Buffer.concat([open(turn, END_HEADERS), frame(WINDOW_UPDATE, 0, 2 * turn + 1, Buffer.alloc(4))]),
  'streams that we are made to reset: a window above all': (turn) =>
    Buffer.concat([open(turn, END_HEADERS), frame(WINDOW_UPDATE, 0, 2 * turn + 1, Buffer.from('7fffffff', 'hex'))]),
  'priorities of streams that are not there': (turn) => frame(PRIORITY, 0, 2 * turn + 1, Buffer.alloc(5)),
};

for (const [name, piece] of Object.entries(attacks))
  test(name, async () => {
    const socket = await secure(await dialRaw(here.port), { ALPNProtocols: ['h2'] });
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.resume().once('close', resolve));
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0)]));
    for (let turn = 0; turn < 50_000 && socket.writable; turn += 1) {
      socket.write(piece(turn));
      if (turn % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    const other = new WebClient(here.port);
    assert.notEqual((await other.request('/webapi/ping')).status, 0);
    other.close();
    await until(() => here.gateway.connectionCount === 0);
  });
