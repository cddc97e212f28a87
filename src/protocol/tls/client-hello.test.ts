import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { neverBreaks } from '../../../test/kit/codec.ts';
import { maxClientHelloBytes, peekClientHello } from './client-hello.ts';

const real = await realHello({ servername: 'Db.Example.com', ALPNProtocols: ['postgresql', 'h2'] });
const bare = await realHello({});

test('client hello: a real one, with every beginning asking for more', () => {
  for (let length = 0; length < real.length; length += 1)
    assert.equal(peekClientHello(real.subarray(0, length)).type, 'more', `after ${length} bytes`);
  assert.deepEqual(peekClientHello(real), { type: 'hello', serverName: 'db.example.com', alpn: ['postgresql', 'h2'] });
  assert.equal(peekClientHello(Buffer.concat([real, Buffer.from('anything')])).type, 'hello');
});

test('client hello: without names', () =>
  assert.deepEqual(peekClientHello(bare), { type: 'hello', serverName: undefined, alpn: [] }));

test('client hello: spread over records of any size', () => {
  for (const size of [40, 100, 1000])
    assert.deepEqual(peekClientHello(inRecords(real, size)), peekClientHello(real), `records of ${size} bytes`);
});

const hello = real.subarray(0, 11);
const refused: readonly { readonly name: string; readonly bytes: Buffer; readonly reason: RegExp }[] = [
  { name: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1'), reason: /no handshake/ },
  { name: 'SSLRequest', bytes: Buffer.from('0000000804d2162f', 'hex'), reason: /no handshake/ },
  { name: 'another major version', bytes: Buffer.from('1602', 'hex'), reason: /unknown version/ },
  { name: 'an alert record', bytes: Buffer.from('1503010002', 'hex'), reason: /no handshake/ },
  { name: 'an empty record', bytes: Buffer.from('1603010000', 'hex'), reason: /0 bytes/ },
  { name: 'a record too long', bytes: Buffer.from('160301ffff', 'hex'), reason: /65535 bytes/ },
  { name: 'a ServerHello', bytes: Buffer.from('160301000402000000', 'hex'), reason: /not begin with a ClientHello/ },
  {
    name: 'a length above the limit',
    bytes: Buffer.from('160301000401ffffff', 'hex'),
    reason: new RegExp(`maxClientHelloBytes ${maxClientHelloBytes}`),
  },
  {
    name: 'a hello that ends in its random',
    bytes: Buffer.from('160301000801000004030312ab', 'hex'),
    reason: /random needs 32 bytes/,
  },
  { name: 'many tiny records', bytes: inRecords(real, 1), reason: /maxClientHelloBytes/ },
];
for (const row of refused) {
  test(`client hello: ${row.name} is none`, () => {
    const peek = peekClientHello(row.bytes);
    assert.ok(peek.type === 'not-tls');
    assert.match(peek.reason, row.reason);
  });
}

test('client hello: nothing breaks it', () => neverBreaks(peekClientHello, { seeds: [real, bare, hello] }));

function inRecords(bytes: Buffer, size: number): Buffer {
  const handshake = bytes.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < handshake.length; at += size) {
    const part = handshake.subarray(at, at + size);
    records.push(Buffer.concat([Buffer.from([0x16, 3, 1, part.length >> 8, part.length & 0xff]), part]));
  }
  return Buffer.concat(records);
}

async function realHello(options: {
  readonly servername?: string;
  readonly ALPNProtocols?: string[];
}): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = new Duplex({ read() {}, write: (chunk: Buffer) => resolve(Buffer.from(chunk)) });
  const client = connect({ socket, ...options });
  client.on('error', () => {});
  const bytes = await promise;
  client.destroy();
  socket.destroy();
  return bytes;
}
