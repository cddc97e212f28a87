import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../errors.ts';
import { AnnouncementReader, announceable, encodeAnnouncement, parseAnnouncement } from './announcement.ts';
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

const capabilities = '0000001dffffffff';
const LONGEST = '~'.repeat(128);
for (const server of [
  { serverVersion: '8.4.2', capabilities },
  { serverVersion: LONGEST },
  { serverVersion: '11.8.3-MariaDB-0+deb13u1 from Debian' },
  { capabilities },
]) {
  test(`what is known of a server comes through: ${JSON.stringify(server).slice(0, 60)}`, () => {
    const said: Announcement = { ...GOOD, databases: [{ name: 'm', protocol: 'mysql', health: 'healthy', server }] };
    const line = encodeAnnouncement(said).toString().trimEnd();
    assert.deepEqual(parseAnnouncement(line, LIMITS), said);
    assert.deepEqual(announceable(server), server);
  });
}

test("a server's own words are announced as far as they are in bounds", () => {
  const wild = { serverVersion: `8.0\u001b[2J`, capabilities: 'FFFF' };
  assert.equal(announceable(wild), undefined);
  assert.deepEqual(announceable({ ...wild, capabilities }), { capabilities });
  assert.deepEqual(announceable({ serverVersion: `${LONGEST}~`, capabilities }), { capabilities });
  assert.equal(announceable({}), undefined);
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
  ['a server that is no object', { ...GOOD, databases: [{ ...database, server: 'MariaDB' }] }],
  ['a server of which nothing is known', { ...GOOD, databases: [{ ...database, server: {} }] }],
  [
    'a server with a field that nobody knows',
    { ...GOOD, databases: [{ ...database, server: { capabilities, x: 1 } }] },
  ],
  ['an empty version', { ...GOOD, databases: [{ ...database, server: { serverVersion: '' } }] }],
  ['a version of 129 characters', { ...GOOD, databases: [{ ...database, server: { serverVersion: `${LONGEST}~` } }] }],
  ['a version with a NUL', { ...GOOD, databases: [{ ...database, server: { serverVersion: '8\0' } }] }],
  ['a version with an escape', { ...GOOD, databases: [{ ...database, server: { serverVersion: '8\u001b[2J' } }] }],
  ['a version beyond ASCII', { ...GOOD, databases: [{ ...database, server: { serverVersion: '8ä' } }] }],
  ['a version that is no text', { ...GOOD, databases: [{ ...database, server: { serverVersion: 8 } }] }],
  ['capabilities in capitals', { ...GOOD, databases: [{ ...database, server: { capabilities: 'F'.repeat(16) } }] }],
  ['capabilities of 15 digits', { ...GOOD, databases: [{ ...database, server: { capabilities: 'f'.repeat(15) } }] }],
  ['capabilities as a number', { ...GOOD, databases: [{ ...database, server: { capabilities: 1 } }] }],
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
