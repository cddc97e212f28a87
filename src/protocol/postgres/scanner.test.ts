import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fedEveryWay } from '../../../test/kit/codec.ts';
import { compileRules, MessageScanner } from './scanner.ts';

const rules = compileRules({
  peer: 'peer',
  allowed: 'xQZDdA',
  wanted: new Map([
    ['Q', 4],
    ['Z', 0],
  ]),
  rowType: 'D',
  copyType: 'd',
  head: { type: 'A', bytes: 4 },
});

test('scanner: reports what is wanted, counts rows, and ends where the stream ends', () => {
  const stream = Buffer.concat([
    message('Q', 'abc'),
    message('x', 'skipped'),
    message('D', '12345'),
    message('D', ''),
    message('d', '1234567'),
    message('Z', ''),
    message('Z', 'x'),
    message('Q', 'too long'),
  ]);
  const outcome = fedEveryWay(stream, (chunks) => {
    const heard: unknown[] = [];
    const scanner = new MessageScanner(rules, {
      message: (type, bytes, start, end, total, digest) =>
        heard.push([
          String.fromCharCode(type),
          bytes.toString('latin1', start, end),
          total,
          digest,
          scanner.messageEnd,
        ]),
    });
    for (const chunk of chunks) assert.equal(scanner.push(chunk), chunk.length);
    return {
      heard,
      rows: [scanner.rows, scanner.rowBytes, scanner.copies, scanner.copyBytes],
      boundary: scanner.atBoundary,
    };
  });
  const digest = createHash('sha256').update('too long').digest('hex');
  assert.deepEqual(outcome, {
    heard: [
      ['Q', 'abc', 3, undefined, 8],
      ['Z', '', 0, undefined, 52],
      ['Z', '', 1, undefined, 58],
      ['Q', 'too ', 8, digest, 71],
    ],
    rows: [2, 5, 1, 7],
    boundary: true,
  });
});

test('scanner: a head comes in one piece, at most eight bytes wait for it', () => {
  const stream = Buffer.concat([
    message('x', 'ab'),
    message('A', 'wxyz and more'),
    message('A', 'abc'),
    message('A', 'last'),
  ]);
  const outcome = fedEveryWay(stream, (chunks) => {
    const heads: string[] = [];
    const scanner = new MessageScanner(rules, {
      message() {},
      head: (_type, bytes, start) => heads.push(bytes.toString('latin1', start, start + 4)),
    });
    let held = Buffer.alloc(0);
    for (const chunk of chunks) {
      const bytes = Buffer.concat([held, chunk]);
      held = bytes.subarray(scanner.push(bytes));
      assert.ok(held.length <= 8);
    }
    assert.equal(held.length, 0);
    return heads;
  });
  assert.deepEqual(outcome, ['wxyz', 'last']);
});

test('scanner: a gigabyte passes in bounded memory', () => {
  const scanner = new MessageScanner(rules, { message() {} });
  const header = message('Q', '');
  header.writeInt32BE(0x3fffffff, 1);
  const before = process.memoryUsage().arrayBuffers;
  scanner.push(header);
  const chunk = Buffer.alloc(1 << 20);
  for (let count = 0; count < 32; count += 1) scanner.push(chunk);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 << 20);
  assert.equal(scanner.atBoundary, false);
});

function message(letter: string, body: string): Buffer {
  const bytes = Buffer.from(`${letter}\0\0\0\0${body}`, 'latin1');
  bytes.writeInt32BE(body.length + 4, 1);
  return bytes;
}
