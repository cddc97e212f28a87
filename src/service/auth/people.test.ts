import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { Code } from '@connectrpc/connect';
import { TrustedAuthorities } from '../../pki/trust.ts';
import { verifyUserCertificate } from '../../pki/verify.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import { derOf, newKeys, refusal, TestAuth, type TestHost, type TestUser } from './auth.fixture.ts';
import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';

/** Sign-in, invitations, route certificates, lists: whole flows against a real service, and what a person must not get. */

let auth: TestAuth;
let alice: TestUser;
let agent: TestHost;
let users: TrustedAuthorities;

before(async () => {
  auth = await TestAuth.start();
  alice = await auth.addUser('alice', { roles: ['access'], traits: { db_users: ['reader'], db_names: ['*'] } });
  agent = await auth.join('database');
  const { certificates } = await auth.admin.client.exportAuthority({ type: 'user' });
  users = new TrustedAuthorities('user', 'test', certificates);
});
// Sign-ins move the clock, which ends an agent's presence.
beforeEach(() => auth.serve(agent, [{ name: 'orders', labels: { env: 'dev' } }]));
after(() => auth.stop());

test('from the invitation to a route certificate', async () => {
  const identity = await auth.signIn(alice);
  const person = auth.connect(identity).client;
  const { databases } = await person.listDatabases({});
  assert.deepEqual(
    databases.map((one) => [JSON.parse(one.json).metadata.name, one.allowedUsers, one.allowedNames, one.health]),
    [['orders', ['reader'], ['*'], 'healthy']],
  );
  const keys = newKeys();
  const answer = await person.issueUserCertificate({
    publicKey: keys.publicKey,
    route: { service: 'orders', protocol: 'postgres', databaseName: 'shop' },
  });
  // The only user that is possible was filled in.
  assert.deepEqual([answer.route?.databaseUser, answer.route?.databaseName], ['reader', 'shop']);
  const verified = verifyUserCertificate(derOf(answer.certificate), { authorities: users, nowMs: auth.clock.now() });
  assert.deepEqual(verified.identity.route, {
    service: 'orders',
    protocol: 'postgres',
    databaseUser: 'reader',
    databaseName: 'shop',
  });
  assert.equal(verified.identity.mfa, 'otp');
  assert.equal(verified.notAfterMs, new X509Certificate(identity.certificate).validToDate.getTime());
  const created = (await auth.events('TC000I')).at(-1);
  assert.equal(
    (created?.['identity'] as { route_to_database: { service_name: string } } | undefined)?.route_to_database
      .service_name,
    'orders',
  );
});

test('a route certificate can ask for nothing: not its own renewal, not a wider route, no list', async () => {
  const person = auth.connect(await auth.signIn(alice)).client;
  const keys = newKeys();
  const { certificate } = await person.issueUserCertificate({
    publicKey: keys.publicKey,
    route: { service: 'orders', protocol: 'postgres' },
  });
  const routed = auth.connect({ certificate, privateKey: keys.privateKey }).client;
  const calls = {
    renewal: routed.issueUserCertificate({ publicKey: keys.publicKey }),
    widening: routed.issueUserCertificate({
      publicKey: keys.publicKey,
      route: { service: 'orders', protocol: 'postgres', databaseUser: 'admin' },
    }),
    list: routed.listDatabases({}),
    administration: routed.listResources({ kind: 'user' }),
  };
  for (const [name, call] of Object.entries(calls)) {
    assert.match((await refusal(call)).rawMessage, /this certificate is for database orders only/, name);
  }
});

const notAllowed = [
  {
    name: 'another database user',
    route: { service: 'orders', protocol: 'postgres', databaseUser: 'postgres', databaseName: 'shop' },
    says: /access to db denied/,
  },
  {
    name: 'another database user, name open',
    route: { service: 'orders', protocol: 'postgres', databaseUser: 'postgres' },
    says: /access to db denied/,
  },
  {
    name: 'a database that is not there',
    route: { service: 'nothing', protocol: 'postgres' },
    says: /access to db denied: user "alice", database "nothing"/,
  },
  {
    name: 'another protocol',
    route: { service: 'orders', protocol: 'mysql' },
    says: /expected protocol postgres, got mysql/,
  },
  { name: 'an unknown protocol', route: { service: 'orders', protocol: 'smtp' }, says: /expected protocol/ },
];
for (const row of notAllowed) {
  test(`no route certificate for ${row.name}`, async () => {
    const person = auth.connect(await auth.signIn(alice)).client;
    assert.match(
      (await refusal(person.issueUserCertificate({ publicKey: newKeys().publicKey, route: row.route }))).rawMessage,
      row.says,
    );
  });
}

test('a certificate is never longer than the one it is made from', async () => {
  const identity = await auth.signIn(alice, 600);
  const { certificate } = await auth.connect(identity).client.issueUserCertificate({
    publicKey: newKeys().publicKey,
    route: { service: 'orders', protocol: 'postgres' },
    ttlSeconds: 86_400,
  });
  assert.ok(
    new X509Certificate(certificate).validToDate.getTime() <=
      new X509Certificate(identity.certificate).validToDate.getTime(),
  );
});

test('roles are those of the record at the moment of asking, and a removed user gets nothing', async () => {
  const bob = await auth.addUser('bob', { roles: ['access'], traits: { db_users: ['reader'], db_names: ['*'] } });
  const person = auth.connect(await auth.signIn(bob)).client;
  const ask = () =>
    person.issueUserCertificate({
      publicKey: newKeys().publicKey,
      route: { service: 'orders', protocol: 'postgres', databaseUser: 'reader', databaseName: 'shop' },
    });
  await ask();
  await auth.admin.client.putResource({
    json: JSON.stringify({
      kind: 'user',
      version: 'v2',
      metadata: { name: 'bob' },
      spec: { roles: ['auditor'], traits: {} },
    }),
    mode: PutResourceRequest_Mode.UPSERT,
  });
  assert.match((await refusal(ask())).rawMessage, /access to db denied/);
  await auth.admin.client.deleteResource({ kind: 'user', name: 'bob' });
  assert.match((await refusal(ask())).rawMessage, /does not exist any more/);
});

test('a lock ends what a certificate can do, and new sign-ins', async () => {
  const carol = await auth.addUser('carol', { roles: ['access'] });
  const person = auth.connect(await auth.signIn(carol)).client;
  await person.listDatabases({});
  const lock = {
    kind: 'lock',
    version: 'v2',
    metadata: { name: 'lock-carol' },
    spec: { target: { user: 'carol' }, message: 'suspected theft' },
  };
  await auth.admin.client.putResource({ json: JSON.stringify(lock), mode: PutResourceRequest_Mode.CREATE });
  assert.match(
    (await refusal(person.listDatabases({}))).rawMessage,
    /lock targeting User:"carol" is in force: suspected theft/,
  );
  assert.match((await refusal(auth.signIn(carol))).rawMessage, /suspected theft/);
  await auth.admin.client.deleteResource({ kind: 'lock', name: 'lock-carol' });
  await person.listDatabases({});
  assert.equal((await auth.events('TLK00I')).length, 1);
  assert.equal((await auth.events('TLK01I')).length, 1);
});

test('one error for a wrong user, password or code; the audit log knows which', async () => {
  auth.clock.offsetMs += 30_000;
  const good = {
    user: 'alice',
    password: alice.password,
    oneTimeCode: auth.code(alice),
    publicKey: newKeys().publicKey,
  };
  const messages = [];
  for (const wrong of [
    { user: 'nobody' },
    { password: 'not the password' },
    { oneTimeCode: '000000' },
    { oneTimeCode: '' },
    { password: 'x'.repeat(20_000) },
  ]) {
    const error = await refusal(auth.anonymous.client.signIn({ ...good, ...wrong }));
    assert.equal(error.code, Code.Unauthenticated);
    messages.push(error.rawMessage);
    // Four failures stay below the lockout.
    if (messages.length === 4) await auth.signIn(alice);
  }
  assert.equal(new Set(messages).size, 1);
  const reasons = (await auth.events('T1000W')).slice(-5).map((event) => event['error']);
  assert.deepEqual(reasons, [
    'unknown user',
    'wrong password',
    'wrong one-time code',
    'wrong one-time code',
    'wrong password',
  ]);
  await auth.signIn(alice);
});

test('a name that is cut within a character is an unknown user, no failure', async () => {
  const attempt = { password: 'a wrong password', oneTimeCode: '000000', publicKey: newKeys().publicKey };
  const error = await refusal(auth.anonymous.client.signIn({ ...attempt, user: `${'a'.repeat(63)}😀` }));
  assert.equal(error.code, Code.Unauthenticated);
});

test('a one-time code is good once', async () => {
  auth.clock.offsetMs += 60_000;
  const attempt = {
    user: 'alice',
    password: alice.password,
    oneTimeCode: auth.code(alice),
    publicKey: newKeys().publicKey,
  };
  const outcomes = await Promise.allSettled([
    auth.anonymous.client.signIn(attempt),
    auth.anonymous.client.signIn(attempt),
  ]);
  assert.deepEqual(outcomes.map((one) => one.status).toSorted(), ['fulfilled', 'rejected']);
});

test('five failures lock sign-in for 30 minutes, however many come at once; an administrator can lift it', async () => {
  const dave = await auth.addUser('dave', { roles: ['access'] });
  const guess = (password: string) =>
    auth.anonymous.client.signIn({
      user: 'dave',
      password,
      oneTimeCode: auth.code(dave),
      publicKey: newKeys().publicKey,
    });
  await Promise.allSettled(Array.from({ length: 12 }, (_, index) => guess(`wrong password ${index}`)));
  await refusal(auth.signIn(dave));
  const reasons = (await auth.events('T1000W'))
    .filter((event) => event['user'] === 'dave')
    .map((event) => event['error']);
  assert.equal(reasons.filter((reason) => reason === 'wrong password').length, 5);
  assert.equal((await auth.events('TUL00W')).filter((event) => event['name'] === 'dave').length >= 1, true);
  const record = (await auth.admin.client.getResource({ kind: 'user', name: 'dave' })).resource;
  const locked = JSON.parse(record?.json ?? '{}');
  assert.equal(locked.spec.status.is_locked, true);
  delete locked.spec.status;
  await auth.admin.client.putResource({
    json: JSON.stringify(locked),
    mode: PutResourceRequest_Mode.UPDATE,
    expectedRevision: record?.revision ?? 0n,
  });
  await auth.signIn(dave);
  await Promise.allSettled(Array.from({ length: 5 }, (_, index) => guess(`wrong password ${index}`)));
  await refusal(auth.signIn(dave));
  auth.clock.offsetMs += 31 * 60_000;
  await auth.signIn(dave);
});

test('the certificate of a removed user is not one of the next user of that name', async () => {
  const before = auth.connect(await auth.signIn(await auth.addUser('rita', { roles: ['access'] }))).client;
  await before.listDatabases({});
  await auth.admin.client.deleteResource({ kind: 'user', name: 'rita' });
  auth.clock.offsetMs += 3000;
  const next = await auth.addUser('rita', { roles: ['editor'] });
  assert.match((await refusal(before.listDatabases({}))).rawMessage, /does not exist any more/);
  assert.match(
    (await refusal(before.issueUserCertificate({ publicKey: newKeys().publicKey }))).rawMessage,
    /does not exist any more/,
  );
  await auth.connect(await auth.signIn(next)).client.listDatabases({});
});

test('a refusal does not tell a hidden database from none', async () => {
  const blind = await auth.addUser('blind', { roles: ['auditor'] });
  const person = auth.connect(await auth.signIn(blind)).client;
  await auth.serve(agent, [{ name: 'orders' }]);
  const words = async (service: string) => {
    const keys = newKeys();
    const route = { service, protocol: 'postgres', databaseUser: 'postgres', databaseName: 'shop' };
    const error = await refusal(person.issueUserCertificate({ publicKey: keys.publicKey, route }));
    return error.rawMessage.replaceAll(service, '');
  };
  assert.equal(await words('orders'), await words('no-such'));
});

test('wrong guesses do not shorten what an administrator locked', async () => {
  const mallory = await auth.addUser('mallory', { roles: ['access'] });
  const record = (await auth.admin.client.getResource({ kind: 'user', name: 'mallory' })).resource;
  const locked = JSON.parse(record?.json ?? '{}');
  locked.spec.status = { is_locked: true, locked_message: 'left the company' };
  await auth.admin.client.putResource({ json: JSON.stringify(locked), mode: PutResourceRequest_Mode.UPSERT });
  for (let guess = 0; guess < 5; guess += 1) await refusal(auth.signIn({ ...mallory, password: 'a wrong password' }));
  auth.clock.offsetMs += 31 * 60_000;
  await refusal(auth.signIn(mallory));
  const after = (await auth.admin.client.getResource({ kind: 'user', name: 'mallory' })).resource;
  assert.deepEqual(JSON.parse(after?.json ?? '{}').spec.status, locked.spec.status);
});

test('an invitation works once, dies with the next one, with time and with its user', async () => {
  const erin = JSON.stringify({
    kind: 'user',
    version: 'v2',
    metadata: { name: 'erin' },
    spec: { roles: ['access'], traits: {} },
  });
  const first = await auth.admin.client.addUser({ json: erin });
  assert.match((await refusal(auth.admin.client.addUser({ json: erin }))).rawMessage, /exists already/);
  const user = await auth.accept('erin', first.inviteToken);
  assert.match((await refusal(auth.accept('erin', first.inviteToken))).rawMessage, /already used/);
  const old = await auth.admin.client.resetUser({ user: 'erin' });
  await refusal(auth.signIn(user));
  const fresh = await auth.admin.client.resetUser({ user: 'erin' });
  await refusal(auth.anonymous.client.startInvite({ token: old.resetToken }));
  auth.clock.offsetMs += 8 * 3_600_000 + 1000;
  await refusal(auth.anonymous.client.startInvite({ token: fresh.resetToken }));
  assert.match(
    (await refusal(auth.admin.client.resetUser({ user: 'erin', ttlSeconds: 25 * 3600 }))).rawMessage,
    /expected at most 24h/,
  );
  const last = await auth.admin.client.resetUser({ user: 'erin' });
  await auth.admin.client.deleteResource({ kind: 'user', name: 'erin' });
  await refusal(auth.anonymous.client.startInvite({ token: last.resetToken }));
});

test('an invitation wants a password of 12 to 128 characters and the right code, and stays good when they are not', async () => {
  const { inviteToken: token } = await auth.admin.client.addUser({
    json: JSON.stringify({
      kind: 'user',
      version: 'v2',
      metadata: { name: 'frank' },
      spec: { roles: ['access'], traits: {} },
    }),
  });
  const { oneTimeCodeUri } = await auth.anonymous.client.startInvite({ token });
  const frank = {
    name: 'frank',
    password: 'a long enough one',
    secret: new URL(oneTimeCodeUri).searchParams.get('secret') ?? '',
  };
  // Looking twice shows the same code.
  assert.equal((await auth.anonymous.client.startInvite({ token })).oneTimeCodeUri, oneTimeCodeUri);
  const accept = (password: string, oneTimeCode: string) =>
    auth.anonymous.client.acceptInvite({ token, password, oneTimeCode });
  assert.match((await refusal(accept('short', auth.code(frank)))).rawMessage, /12 to 128 characters, got 5/);
  assert.match((await refusal(accept('x'.repeat(129), auth.code(frank)))).rawMessage, /12 to 128 characters, got 129/);
  assert.match((await refusal(accept(frank.password, '123'))).rawMessage, /one-time code/);
  await accept(frank.password, auth.code(frank));
  await auth.signIn(frank);
});

test('keys other than P-256 are refused before anything is counted or signed', async () => {
  const { generateKeyPairSync } = await import('node:crypto');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'der' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'der' });
  auth.clock.offsetMs += 30_000;
  for (const key of [rsa, p384, Buffer.alloc(91), Buffer.alloc(0)]) {
    const error = await refusal(
      auth.anonymous.client.signIn({
        user: 'alice',
        password: alice.password,
        oneTimeCode: auth.code(alice),
        publicKey: new Uint8Array(key),
      }),
    );
    assert.equal(error.code, Code.InvalidArgument);
  }
  await auth.signIn(alice);
});

test('an expired certificate is refused with words and an event', async () => {
  const identity = await auth.signIn(alice, 60);
  const person = auth.connect(identity).client;
  await person.listDatabases({});
  auth.clock.offsetMs += 61_000;
  const known = fromConnectError(await refusal(person.listDatabases({})));
  assert.equal(known.code, 'CERT_EXPIRED');
  assert.match(String((await auth.events('T3007W')).at(-1)?.['error']), /expired/);
  auth.clock.offsetMs += 30_000;
  // An expired certificate does not stand in the way of a new sign-in.
  await auth.connect(identity).client.signIn({
    user: 'alice',
    password: alice.password,
    oneTimeCode: auth.code(alice),
    publicKey: newKeys().publicKey,
  });
});

test('identities in certificates stay small: too many roles and traits are refused with words', async () => {
  const grace = await auth.addUser('grace', {
    roles: ['access'],
    traits: { db_users: Array.from({ length: 900 }, (_, index) => `database_user_number_${index}`) },
  });
  assert.match((await refusal(auth.signIn(grace))).rawMessage, /maxIdentityBytes|fewer or shorter/);
});
