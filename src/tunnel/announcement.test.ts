import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../errors.ts';
import { AnnouncementReader, encodeAnnouncement, parseAnnouncement } from './announcement.ts';
import { decodeCancel, encodeCancel } from './cancel.ts';
import type { Announcement } from './tunnel.ts';

const LIMITS = { maxAnnouncementBytes: 300, maxAnnouncedDatabases: 2 };
const GOOD: Announcement = {
  databases: [{ name: 'pg', protocol: 'postgres', health: 'healthy' }],
  cancelTag: 4095,
  draining: false,
};

function reader(seen: Announcement[]): AnnouncementReader {
  return new AnnouncementReader({
    limits: LIMITS,
    onAnnouncement: (one) => seen.push(one),
    onConsumed: () => undefined,
    onClose: () => undefined,
  });
}

test('reads announcements however they are cut', () => {
  const bytes = Buffer.concat([encodeAnnouncement(GOOD), encodeAnnouncement({ ...GOOD, draining: true })]);
  for (const size of [1, 7, bytes.length]) {
    const seen: Announcement[] = [];
    const into = reader(seen);
    for (let at = 0; at < bytes.length; at += size) into.data(bytes.subarray(at, at + size));
    assert.deepEqual(seen, [GOOD, { ...GOOD, draining: true }]);
  }
});

test('a line without end is cut at maxAnnouncementBytes', () => {
  const into = reader([]);
  into.data(Buffer.alloc(300, 0x20));
  assert.throws(() => into.data(Buffer.from(' ')), /maxAnnouncementBytes 300/);
});

const database = { name: 'pg', protocol: 'postgres', health: 'healthy' };
const WRONG: readonly [name: string, value: unknown][] = [
  ['no object', []],
  ['null', null],
  ['a missing field', { databases: [], cancelTag: 1 }],
  ['an unknown field', { ...GOOD, extra: 1 }],
  ['a tag of 13 bits', { ...GOOD, cancelTag: 4096 }],
  ['a negative tag', { ...GOOD, cancelTag: -1 }],
  ['a broken tag', { ...GOOD, cancelTag: 1.5 }],
  ['draining that is no boolean', { ...GOOD, draining: 1 }],
  ['databases that are no list', { ...GOOD, databases: {} }],
  ['too many databases', { ...GOOD, databases: [database, { ...database, name: 'b' }, { ...database, name: 'c' }] }],
  ['a name twice', { ...GOOD, databases: [database, database] }],
  ['an empty name', { ...GOOD, databases: [{ ...database, name: '' }] }],
  ['a long name', { ...GOOD, databases: [{ ...database, name: 'x'.repeat(256) }] }],
  ['a strange protocol', { ...GOOD, databases: [{ ...database, protocol: 'Post gres' }] }],
  ['a strange health', { ...GOOD, databases: [{ ...database, health: 'fine' }] }],
  ['__proto__ in place of a field', JSON.parse('{"databases":[],"cancelTag":1,"__proto__":{"draining":false}}')],
];
for (const [name, value] of WRONG) {
  test(`refuses an announcement: ${name}`, () => {
    assert.throws(
      () => parseAnnouncement(JSON.stringify(value), { ...LIMITS, maxAnnouncementBytes: 10_000 }),
      ProtocolError,
    );
  });
}

test('cancel openings: round trip and refusals', () => {
  const message = { protocol: 'postgres', packet: Buffer.from([0, 1, 0]) };
  assert.deepEqual(decodeCancel(encodeCancel(message).subarray(1)), message);
  for (const bad of ['', 'postgres', '\0x', 'Post\0x', 'postgres\0', `postgres\0${'x'.repeat(1025)}`]) {
    assert.throws(() => decodeCancel(Buffer.from(bad)), ProtocolError, JSON.stringify(bad).slice(0, 20));
  }
});
