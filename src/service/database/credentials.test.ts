// A database certificate serves one person, is asked for once, and is renewed in time.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { alice, databaseAt } from '../../../test/kit/engine.ts';
import { LoginError, UpstreamError } from '../../errors.ts';
import { type Authority, createAuthority } from '../../pki/authority.ts';
import { issueCertificate } from '../../pki/issue.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { databaseClientProfile } from '../../pki/profiles.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { type CredentialRequest, DatabaseCredentialCache } from './credentials.ts';

const minute = 60_000;
let authority: Authority;
let otherAuthority: Authority;
before(async () => {
  authority = await createAuthority('db-client', 'test', () => Date.UTC(2026, 0, 1));
  otherAuthority = await createAuthority('db', 'test', () => Date.UTC(2026, 0, 1));
});

const request: CredentialRequest = {
  identity: alice,
  opening: Buffer.from('opening'),
  database: databaseAt('db:5432'),
  databaseUser: 'reader',
  databaseName: 'orders',
};

function setUp() {
  const clock = new ManualClock(Date.UTC(2026, 0, 1, 1));
  const state = { asked: 0, away: false, denied: false, wrongKey: false, authorities: [] as string[] };
  const cache = new DatabaseCredentialCache({
    clock,
    log: silentLog,
    databaseAuthorities: () => state.authorities,
    issue: async ({ opening, publicKey, databaseUser }) => {
      state.asked += 1;
      if (opening.toString() === 'stale') throw new LoginError('OPENING_STALE', 'too old');
      if (state.denied) throw new LoginError('DATABASE_DENIED', 'no');
      if (state.away) throw new UpstreamError('AWAY', 'away', { retryable: true });
      const publicKeyDer = state.wrongKey ? generateKeyPair().publicKeyDer : publicKey;
      const { pem } = await issueCertificate(authority, databaseClientProfile(databaseUser), {
        publicKeyDer,
        ttlMs: 10 * minute,
        nowMs: clock.now(),
      });
      return { certificate: pem, roles: ['access'] };
    },
  });
  return { clock, state, cache };
}

test('many at once ask once; later ones are served from what is kept', async () => {
  const { cache, state } = setUp();
  const all = await Promise.all(Array.from({ length: 8 }, () => cache.credentials(request)));
  assert.equal(state.asked, 1);
  assert.equal(new Set(all.map((credentials) => credentials.secureContext)).size, 1);
  assert.deepEqual(all[7]?.rolesInForce, ['access']);
  await cache.credentials({ ...request, opening: Buffer.from('another') });
  assert.equal(state.asked, 1);
});

const others: readonly { readonly name: string; readonly change: Partial<CredentialRequest> }[] = [
  { name: 'another person', change: { identity: { ...alice, user: 'bob' } } },
  { name: 'other roles', change: { identity: { ...alice, roles: ['access', 'admin'] } } },
  { name: 'other traits', change: { identity: { ...alice, traits: { db_users: ['x'] } } } },
  { name: 'another database user', change: { databaseUser: 'writer' } },
  { name: 'another database', change: { database: { ...databaseAt('db:5432'), metadata: { name: 'other' } } } },
];
for (const { name, change } of others) {
  test(`a kept certificate never serves ${name}`, async () => {
    const { cache, state } = setUp();
    const first = await cache.credentials(request);
    const second = await cache.credentials({ ...request, ...change });
    assert.equal(state.asked, 2);
    assert.notEqual(first.secureContext, second.secureContext);
  });
}

test('it is renewed when a quarter of its life is left; with Auth away it serves until it expires', async () => {
  const { cache, clock, state } = setUp();
  await cache.credentials(request);
  clock.advance(6 * minute);
  await cache.credentials(request);
  assert.equal(state.asked, 1);
  state.away = true;
  clock.advance(2 * minute);
  await cache.credentials(request);
  assert.equal(state.asked, 2);
  clock.advance(3 * minute);
  await assert.rejects(cache.credentials(request), { code: 'AWAY' });
  state.away = false;
  await cache.credentials(request);
});

test('what an old opening is refused, as that of a session to be cancelled is, is not refused to who asks beside it', async () => {
  const { cache, state } = setUp();
  const stale = { ...request, opening: Buffer.from('stale') };
  const [old, ...fresh] = await Promise.allSettled([
    cache.credentials(stale),
    ...Array.from({ length: 8 }, () => cache.credentials(request)),
  ]);
  assert.equal(old.status, 'rejected');
  assert.ok(fresh.every(({ status }) => status === 'fulfilled'));
  assert.equal(state.asked, 2);
});

test('with Auth away nobody asks again for those who waited together', async () => {
  const { cache, state } = setUp();
  state.away = true;
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => cache.credentials(request)));
  assert.ok(all.every(({ status }) => status === 'rejected'));
  assert.equal(state.asked, 1);
});

test('a refusal of Auth ends a kept certificate at once', async () => {
  const { cache, clock, state } = setUp();
  await cache.credentials(request);
  clock.advance(8 * minute);
  state.denied = true;
  await assert.rejects(cache.credentials(request), { code: 'DATABASE_DENIED' });
  state.denied = false;
  state.away = true;
  await assert.rejects(cache.credentials(request), { code: 'AWAY' });
});

test('a database with a password asks Auth as well: a person who may no more does not get in by the password', async () => {
  const { cache, state } = setUp();
  const database = { ...request.database, spec: { ...request.database.spec, password_file: '/nowhere' } };
  state.denied = true;
  await assert.rejects(cache.credentials({ ...request, database }), { code: 'DATABASE_DENIED' });
  state.denied = false;
  await assert.rejects(cache.credentials({ ...request, database }), { code: 'DATABASE_PASSWORD_FILE' });
});

test('another trust of the server makes another context; a certificate for another key is refused', async () => {
  const { cache, state } = setUp();
  await cache.credentials(request);
  state.authorities = [otherAuthority.certificatePem];
  await cache.credentials(request);
  assert.equal(state.asked, 2);
  const stranger = setUp();
  stranger.state.wrongKey = true;
  await assert.rejects(stranger.cache.credentials(request), { code: 'DATABASE_CERTIFICATE_KEY' });
});

test('a certificate says when it is too late to sign in with it', async () => {
  const { cache, clock } = setUp();
  const credentials = await cache.credentials(request);
  assert.ok(credentials.type === 'certificate');
  clock.advance(10 * minute - 6000);
  assert.equal(credentials.stillGood?.(), true);
  clock.advance(2000);
  assert.equal(credentials.stillGood?.(), false);
});
