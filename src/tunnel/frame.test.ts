import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../errors.ts';
import { FRAME, FrameDecoder, encodeCredit, encodeFrame, encodeReset, type FrameType } from './frame.ts';
import { decodeReset } from './reset.ts';

type Seen = { readonly type: FrameType; readonly id: number; readonly body: string };

function decode(chunks: readonly Buffer[], maxOpenBytes = 1024): Seen[] {
  const seen: { type: FrameType; id: number; body: string }[] = [];
  const decoder = new FrameDecoder(
    {
      data(id, piece) {
        assert.notEqual(piece.length, 0);
        const last = seen.at(-1);
        if (last !== undefined && last.type === FRAME.data && last.id === id) last.body += piece.toString('hex');
        else seen.push({ type: FRAME.data, id, body: piece.toString('hex') });
      },
      control: (type, id, body) => seen.push({ type, id, body: body.toString('hex') }),
    },
    { maxOpenBytes },
  );
  for (const chunk of chunks) decoder.push(chunk);
  assert.equal(decoder.atBoundary, true);
  return seen;
}

const CONVERSATION = Buffer.concat([
  encodeFrame(FRAME.ping, 0, Buffer.from('0102030405060708', 'hex')),
  encodeFrame(FRAME.open, 1, Buffer.from('opening')),
  encodeFrame(FRAME.data, 1, Buffer.alloc(300, 7)),
  encodeFrame(FRAME.accept, 1),
  encodeCredit(1, 0x7fff_ffff),
  encodeFrame(FRAME.data, 0xffff_ffff, Buffer.from([1])),
  encodeFrame(FRAME.fin, 1),
  encodeReset(3, 2, 'no'),
  encodeFrame(FRAME.drain, 0),
  encodeFrame(FRAME.pong, 0, Buffer.alloc(8)),
]);
const WHOLE: Seen[] = [
  { type: FRAME.ping, id: 0, body: '0102030405060708' },
  { type: FRAME.open, id: 1, body: Buffer.from('opening').toString('hex') },
  { type: FRAME.data, id: 1, body: '07'.repeat(300) },
  { type: FRAME.accept, id: 1, body: '' },
  { type: FRAME.credit, id: 1, body: '7fffffff' },
  { type: FRAME.data, id: 0xffff_ffff, body: '01' },
  { type: FRAME.fin, id: 1, body: '' },
  { type: FRAME.rst, id: 3, body: '026e6f' },
  { type: FRAME.drain, id: 0, body: '' },
  { type: FRAME.pong, id: 0, body: '0000000000000000' },
];

test('a conversation decodes the same in one chunk and byte by byte', () => {
  assert.deepEqual(decode([CONVERSATION]), WHOLE);
  assert.deepEqual(decode([...CONVERSATION].map((byte) => Buffer.from([byte]))), WHOLE);
});

test('a conversation decodes the same wherever it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: CONVERSATION.length }), { maxLength: 20 }), (cuts) => {
      const points = [0, ...cuts.sort((a, b) => a - b), CONVERSATION.length];
      assert.deepEqual(decode(points.slice(1).map((end, index) => CONVERSATION.subarray(points[index], end))), WHOLE);
    }),
  );
});

test('DATA passes through as views of the chunk', () => {
  const chunk = encodeFrame(FRAME.data, 5, Buffer.alloc(100));
  let piece: Buffer | undefined;
  new FrameDecoder({ data: (_id, bytes) => (piece = bytes), control: () => undefined }, { maxOpenBytes: 10 }).push(
    chunk,
  );
  assert.equal(piece?.buffer, chunk.buffer);
});

const LIES: readonly [name: string, header: string, code: string][] = [
  ['type 0', '0000000000000001', 'TUNNEL_FRAME_TYPE'],
  ['type 0x0a', '0a00000000000001', 'TUNNEL_FRAME_TYPE'],
  ['type 0xff', 'ffffffffffffffff', 'TUNNEL_FRAME_TYPE'],
  ['OPEN of 0 bytes', '0100000000000001', 'TUNNEL_FRAME_LENGTH'],
  ['OPEN above maxOpenBytes', '0100040100000001', 'TUNNEL_FRAME_LENGTH'],
  ['DATA of 0 bytes', '0200000000000001', 'TUNNEL_FRAME_LENGTH'],
  ['DATA of 32769 bytes', '0200800100000001', 'TUNNEL_FRAME_LENGTH'],
  ['DATA of 16 MiB', '02ffffff00000001', 'TUNNEL_FRAME_LENGTH'],
  ['CREDIT of 3 bytes', '0300000300000001', 'TUNNEL_FRAME_LENGTH'],
  ['FIN with a body', '0400000100000001', 'TUNNEL_FRAME_LENGTH'],
  ['RST without a reason', '0500000000000001', 'TUNNEL_FRAME_LENGTH'],
  ['RST of 514 bytes', '0500020200000001', 'TUNNEL_FRAME_LENGTH'],
  ['PING of 9 bytes', '0600000900000000', 'TUNNEL_FRAME_LENGTH'],
  ['ACCEPT with a body', '0800000100000001', 'TUNNEL_FRAME_LENGTH'],
  ['DATA on stream 0', '0200000100000000', 'TUNNEL_FRAME_STREAM'],
  ['OPEN on stream 0', '0100000100000000', 'TUNNEL_FRAME_STREAM'],
  ['PING on stream 1', '0600000800000001', 'TUNNEL_FRAME_STREAM'],
  ['DRAIN on stream 1', '0900000000000001', 'TUNNEL_FRAME_STREAM'],
];
for (const [name, header, code] of LIES) {
  test(`refuses at the header: ${name}`, () => {
    const bytes = Buffer.from(header, 'hex');
    const is = (error: unknown): boolean => error instanceof ProtocolError && error.code === code;
    assert.throws(() => decode([bytes]), is);
    assert.throws(() => decode([...bytes].map((byte) => Buffer.from([byte]))), is);
  });
}

test('stop ignores the rest of the chunk', () => {
  let count = 0;
  const decoder: FrameDecoder = new FrameDecoder(
    {
      data: () => undefined,
      control: () => {
        count += 1;
        decoder.stop();
      },
    },
    { maxOpenBytes: 1024 },
  );
  decoder.push(CONVERSATION);
  assert.equal(count, 1);
});

test('any bytes either decode or throw ProtocolError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoder = new FrameDecoder({ data: () => undefined, control: () => undefined }, { maxOpenBytes: 64 });
      try {
        decoder.push(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    }),
  );
});

test('a reset keeps its reason and loses control characters; an unknown reason reads as closed', () => {
  const cut = encodeReset(1, 1, `a\nb${'x'.repeat(600)}`);
  assert.equal(cut.length, 8 + 1 + 512);
  assert.equal(decodeReset(cut.subarray(8)).reason, 'retry-elsewhere');
  assert.match(decodeReset(cut.subarray(8)).message, /a bxxx/);
  assert.equal(decodeReset(Buffer.from([0x77])).reason, 'closed');
});
