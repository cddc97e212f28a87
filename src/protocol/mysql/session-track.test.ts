import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLIENT, SERVER_STATUS } from './capabilities.ts';
import { decodeOk, encodeOk, plainOk } from './ok.ts';
import {
  encodeTrack,
  okForClient,
  readTrack,
  type TrackEntry,
  trackedSchema,
  withoutRedirect,
} from './session-track.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const plain = CLIENT.PROTOCOL_41;
const tracking = CLIENT.PROTOCOL_41 | CLIENT.SESSION_TRACK;

/** MariaDB 11.8.9 when a user with client_ed25519 has signed in: proof of the certificate as info, six variables, the schema. */
const signedIn =
  hex(`000000024000004101343042343932453131454536464435454334413446364338384641323344323244313535333144324445394342454643424635333241343232424445304230389d
  000e0a6175746f636f6d6d6974024f4e 00110974696d655f7a6f6e65062b30303a3030 001d146368617261637465725f7365745f636c69656e7407757466386d6234
  0021186368617261637465725f7365745f636f6e6e656374696f6e07757466386d6234 001e156368617261637465725f7365745f726573756c747307757466386d6234
  000e0c72656469726563745f75726c00 0106056f74686572`);

const recorded: readonly { name: string; track: Buffer; want: readonly TrackEntry[] }[] = [
  { name: 'the schema, after USE', track: hex('010403646231'), want: [{ type: 'schema', name: 'db1' }] },
  {
    name: 'the start of a transaction',
    track: hex('00100c73746174656d656e745f6964023139 050908545f5f5f5f5f5f5f'),
    want: [
      { type: 'system-variable', name: 'statement_id', value: '19' },
      { type: 'transaction-state', state: 'T_______' },
    ],
  },
  {
    name: 'a change of state, of both servers',
    track: hex('020131'),
    want: [{ type: 'state-change', value: '1' }],
  },
  {
    name: 'what the manual shows of the others',
    track: hex(
      `0310 00 0e ${Buffer.from('uuid:1-5,uuid2').toString('hex')} 0405 04 ${Buffer.from('SET;').toString('hex')} 6303aabbcc`,
    ),
    want: [
      { type: 'gtids', value: 'uuid:1-5,uuid2' },
      { type: 'transaction-characteristics', statements: 'SET;' },
      { type: 'unknown', tracker: 0x63 },
    ],
  },
  { name: 'nothing', track: Buffer.alloc(0), want: [] },
];
for (const row of recorded) test(`session track: ${row.name}`, () => assert.deepEqual(readTrack(row.track), row.want));

test('session track: the last schema counts', () => {
  const schemas = ['a', 'b'].map((name) => ({ type: 'schema', name }) as const);
  assert.equal(trackedSchema(schemas), 'b');
  assert.equal(trackedSchema([]), undefined);
  assert.equal(trackedSchema([{ type: 'schema', name: '' }]), '');
});

const bad: readonly { name: string; track: string; code: string }[] = [
  { name: 'an entry longer than the track', track: '010503646231', code: 'MYSQL_TRACK_TOO_SHORT' },
  { name: 'a name longer than its entry', track: '010404646231', code: 'MYSQL_TRACK_TOO_SHORT' },
  { name: 'a variable without a value', track: '00020161', code: 'MYSQL_TRACK_TOO_SHORT' },
  { name: 'a NULL for a name', track: '0101fb', code: 'MYSQL_TRACK_BAD_NUMBER' },
  // A client that skips by the outer length and one that reads the inner ones would see different things.
  { name: 'two variables in one entry', track: '0008 0161 0162 0163 0164', code: 'MYSQL_TRACK_TRAILING' },
  { name: 'bytes behind a schema', track: '0105 03646231 00', code: 'MYSQL_TRACK_TRAILING' },
  { name: 'a type without a length', track: '01', code: 'MYSQL_TRACK_TOO_SHORT' },
];
for (const row of bad)
  test(`session track: ${row.name} is refused`, () => {
    assert.throws(() => readTrack(hex(row.track)), { name: 'ProtocolError', code: row.code });
    assert.throws(() => withoutRedirect(hex(row.track)), { name: 'ProtocolError', code: row.code });
  });

test('redirect_url is taken out, however it is written, and nothing else', () => {
  const other = { type: 'system-variable', name: 'autocommit', value: 'ON' } as const;
  const schema = { type: 'schema', name: 'redirect_url' } as const;
  for (const name of ['redirect_url', 'REDIRECT_URL', 'Redirect_Url']) {
    const redirect = { type: 'system-variable', name, value: 'mysql://elsewhere:3306/' } as const;
    const track = encodeTrack([redirect, other, redirect, schema, redirect]);
    assert.deepEqual(readTrack(withoutRedirect(track)), [other, schema]);
    assert.equal(withoutRedirect(encodeTrack([redirect])).length, 0);
  }
  // With lengths that are longer than needed.
  assert.equal(
    withoutRedirect(hex(`00 fe1000000000000000 fc0c00 ${Buffer.from('redirect_url').toString('hex')} 00`)).length,
    0,
  );
  const clean = encodeTrack([other, schema]);
  assert.equal(withoutRedirect(clean), clean);
});

test('an OK for a client without session tracking has no track and does not announce one', () => {
  const changed = okForClient(signedIn, tracking, plain);
  const ok = decodeOk(changed, plain);
  assert.deepEqual(ok, { ...plainOk(SERVER_STATUS.AUTOCOMMIT), info: signedIn.subarray(8, 8 + 65) });
  // USE without an info: nothing is left behind the warnings, as servers do.
  assert.equal(
    okForClient(hex('00000002400000 00 06 010403646231'), tracking, plain).toString('hex'),
    '00000002000000',
  );
});

test('an OK for a client with session tracking loses its redirection alone', () => {
  const changed = okForClient(signedIn, tracking, tracking);
  const { track = Buffer.alloc(0), ...rest } = decodeOk(changed, tracking);
  const { track: before = Buffer.alloc(0), ...restBefore } = decodeOk(signedIn, tracking);
  assert.deepEqual(rest, restBefore);
  assert.deepEqual(
    readTrack(track),
    readTrack(before).filter((entry) => entry.type !== 'system-variable' || entry.name !== 'redirect_url'),
  );
  assert.equal(readTrack(before).length, readTrack(track).length + 1);
  assert.equal(changed.includes('redirect_url'), false);
});

test('an OK whose whole track was the redirection announces none', () => {
  const track = encodeTrack([{ type: 'system-variable', name: 'redirect_url', value: 'mysql://x' }]);
  const payload = encodeOk({ ...plainOk(2), header: 'eof', track }, tracking);
  assert.equal(okForClient(payload, tracking, tracking).toString('hex'), 'fe000002000000');
});

test('an OK that needs no change is the same object', () => {
  const use = hex('00000002400000 00 06 010403646231');
  assert.equal(okForClient(use, tracking, tracking), use);
  const nothing = hex('00000002000000');
  assert.equal(okForClient(nothing, tracking, plain), nothing);
  assert.equal(okForClient(nothing, plain, plain), nothing);
});

test('session track: what is encoded is read, and redirections never survive', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.constantFrom('redirect_url', 'REDIRECT_url'),
  );
  const entries = fc.array(
    fc.oneof(
      fc.record({ type: fc.constant('system-variable' as const), name: text, value: text }),
      fc.record({ type: fc.constant('schema' as const), name: text }),
      fc.record({ type: fc.constant('state-change' as const), value: text }),
      fc.record({ type: fc.constant('gtids' as const), value: text }),
      fc.record({ type: fc.constant('transaction-characteristics' as const), statements: text }),
      fc.record({ type: fc.constant('transaction-state' as const), state: text }),
    ),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(entries, (drawn) => {
      const list = drawn.map((entry) => ({ ...entry }));
      const track = encodeTrack(list);
      assert.deepEqual(readTrack(track), list);
      assert.deepEqual(
        readTrack(withoutRedirect(track)),
        list.filter((entry) => entry.type !== 'system-variable' || entry.name.toLowerCase() !== 'redirect_url'),
      );
    }),
  );
});
