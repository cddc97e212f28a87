import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { CallOptions } from '@connectrpc/connect';
import {
  ClientLoginPurpose,
  PollClientLoginResponse_State as PollState,
  PutResourceRequest_Mode,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { defaultAuthLimits } from '../../config/defaults.ts';
import { TrustedAuthorities } from '../../pki/trust.ts';
import { verifyUserCertificate } from '../../pki/verify.ts';
import { codeOf, derOf, refusal, TestAuth, type TestHost, type TestUser } from './auth.fixture.ts';
import { TestClient } from './client-login.fixture.ts';
import { MAX_CODE_GUESSES } from './code-guesses.ts';
import { announce, ORIGIN, TestBrowser } from './web.fixture.ts';

/** tsh by way of a browser: what is approved, by whom, for how long, and who gets it. */

let auth: TestAuth;
let proxy: TestHost;
let alice: TestUser;
let users: TrustedAuthorities;

before(async () => {
  auth = await TestAuth.start();
  proxy = await auth.join('proxy');
  alice = await auth.addUser('alice', { roles: ['access'] });
  const { certificates } = await auth.admin.client.exportAuthority({ type: 'user' });
  users = new TrustedAuthorities('user', 'test', certificates);
});
beforeEach(() => announce(proxy));
after(() => auth.stop());

async function signedIn(user = alice): Promise<TestBrowser> {
  const browser = new TestBrowser(proxy);
  await browser.signIn(auth, user);
  return browser;
}

type Proof = {
  readonly oneTimeCode?: string;
  readonly token?: string;
  readonly challenge?: string;
  readonly webauthnResponseJson?: string;
};

function decide(browser: TestBrowser, requestId: string, approve = true, mfa?: Proof) {
  return browser.call((client, options: CallOptions) =>
    client.decideClientLogin({ requestId, approve, ...(mfa === undefined ? {} : { mfa }) }, options),
  );
}

function look(browser: TestBrowser, of: { readonly requestId?: string; readonly userCode?: string }) {
  return browser.call((client, options: CallOptions) => client.getClientLogin(of, options));
}

function tsh(): TestClient {
  return new TestClient(auth.anonymous);
}

test('with a callback: seen, approved, and sealed for the one who asked', async () => {
  const browser = await signedIn();
  const client = await tsh().start();
  assert.equal(client.url, `${ORIGIN}/web/confirm/${client.requestId}`);
  assert.deepEqual([client.userCode, client.pollSecret], ['', '']);
  const seen = await look(browser, { requestId: client.requestId });
  assert.deepEqual(
    [seen.purpose, seen.hostName, seen.clientAddress, seen.onThisMachine, seen.user],
    [ClientLoginPurpose.SIGN_IN, 'workstation', '127.0.0.1', true, ''],
  );
  const { redirectUrl } = await decide(browser, client.requestId);
  assert.ok(redirectUrl.startsWith(`${client.callbackUrl}?response=`));
  const { certificate, roles, clusterName, leaf } = client.signIn(client.opened(redirectUrl));
  assert.deepEqual([roles, clusterName], [['access'], 'test']);
  assert.deepEqual(leaf.publicKey.export({ type: 'spki', format: 'der' }), Buffer.from(client.keys.publicKey));
  const { identity } = verifyUserCertificate(derOf(certificate), { authorities: users, nowMs: auth.clock.now() });
  assert.deepEqual([identity.user, identity.mfa, identity.loginAddress], ['alice', 'otp', '127.0.0.1']);
  const person = auth.connect({ certificate, privateKey: client.keys.privateKey });
  assert.equal((await person.client.getMyself({})).user, 'alice');
  const approved = (await auth.events('T1013I')).at(-1);
  assert.deepEqual(
    [approved?.['request_id'], approved?.['user'], approved?.['addr.requester'], approved?.['addr.remote']],
    [client.requestId, 'alice', '127.0.0.1', '198.51.100.7'],
  );
  assert.equal((await auth.events('T1012I')).at(-1)?.['request_id'], client.requestId);
});

test('an answer is for one key, one request and one time', async () => {
  const browser = await signedIn();
  const client = await tsh().start();
  const other = await tsh().start();
  const { redirectUrl } = await decide(browser, client.requestId);
  assert.throws(() => other.opened(redirectUrl), { code: 'PKI_SEAL_INVALID' });
  const again = await tsh().start();
  Object.assign(again, { sealKeys: client.sealKeys });
  assert.throws(
    () => again.opened(redirectUrl),
    { code: 'PKI_SEAL_INVALID' },
    'replayed to a later request with the same key',
  );
  const sealed = Buffer.from(new URL(redirectUrl).searchParams.get('response') ?? '', 'base64url');
  sealed.writeUInt8(sealed.readUInt8(sealed.length - 20) ^ 1, sealed.length - 20);
  assert.throws(() => client.open(sealed), { code: 'PKI_SEAL_INVALID' });
  assert.equal(await codeOf(decide(browser, client.requestId)), 'CLIENT_LOGIN_GONE');
});

test('by a code: typed any way, polled for, given out once', async () => {
  const browser = await signedIn();
  const client = await tsh().start({ polls: true });
  assert.equal(client.url, `${ORIGIN}/web/device`);
  assert.match(client.userCode, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.equal((await client.poll()).state, PollState.PENDING);
  const typed = client.userCode.toLowerCase().replace('-', ' ');
  const seen = await look(browser, { userCode: typed });
  assert.deepEqual([seen.requestId, seen.onThisMachine], [client.requestId, false]);
  assert.equal((await decide(browser, client.requestId)).redirectUrl, '');
  const polled = await client.poll();
  assert.equal(polled.state, PollState.DONE);
  assert.equal(client.signIn(client.open(polled.sealed)).roles.length, 1);
  assert.equal(await codeOf(client.poll()), 'CLIENT_LOGIN_GONE');
  assert.equal(await codeOf(look(browser, { userCode: client.userCode })), 'CLIENT_LOGIN_GONE');
});

test('a poll needs its secret, and one that comes too soon slows down', async () => {
  const client = await tsh().start({ polls: true });
  assert.equal((await client.poll()).pollSeconds, 5);
  assert.equal((await client.poll()).pollSeconds, 10);
  assert.equal((await client.poll()).pollSeconds, 15);
  auth.clock.offsetMs += 15_000;
  assert.equal((await client.poll()).pollSeconds, 15);
  const thief = tsh();
  for (const secret of ['', 'x', client.userCode, 'A'.repeat(43)]) {
    Object.assign(thief, { requestId: client.requestId, pollSecret: secret });
    assert.equal(await codeOf(thief.poll()), 'CLIENT_LOGIN_GONE', secret);
  }
});

test('denied: both ways tell tsh so, and it can not be approved afterwards', async () => {
  const browser = await signedIn();
  const polls = await tsh().start({ polls: true });
  await decide(browser, polls.requestId, false);
  assert.equal((await polls.poll()).state, PollState.DENIED);
  const client = await tsh().start();
  const { redirectUrl } = await decide(browser, client.requestId, false);
  assert.equal(redirectUrl, `${client.callbackUrl}?error=denied`);
  assert.equal(await codeOf(decide(browser, client.requestId)), 'CLIENT_LOGIN_GONE');
  assert.equal((await auth.events('T1013W')).at(-1)?.['error'], 'refused by the person');
});

test('of two who decide at once one does', async () => {
  const [one, two] = [await signedIn(), await signedIn()];
  const client = await tsh().start({ polls: true });
  const codes = await Promise.all([
    codeOf(decide(one, client.requestId)),
    codeOf(decide(two, client.requestId, false)),
  ]);
  assert.deepEqual(codes.toSorted(), ['CLIENT_LOGIN_GONE', 'OK']);
  assert.equal((await client.poll()).state, codes[0] === 'OK' ? PollState.DONE : PollState.DENIED);
});

test('it is over after ten minutes, approved or not', async () => {
  const browser = await signedIn();
  const client = await tsh().start({ polls: true });
  const approved = await tsh().start({ polls: true });
  await decide(browser, approved.requestId);
  auth.clock.offsetMs += 10 * 60_000 + 1000;
  assert.equal(await codeOf(look(browser, { userCode: client.userCode })), 'CLIENT_LOGIN_GONE');
  assert.equal(await codeOf(client.poll()), 'CLIENT_LOGIN_GONE');
  assert.equal(await codeOf(approved.poll()), 'CLIENT_LOGIN_GONE');
});

test('an old sign-in at the web UI shows its second factor again', async () => {
  const browser = await signedIn();
  auth.clock.offsetMs += 6 * 60_000;
  await announce(proxy);
  const client = await tsh().start({ polls: true });
  assert.equal(await codeOf(decide(browser, client.requestId)), 'MFA_REQUIRED');
  assert.equal(
    await codeOf(decide(browser, client.requestId, true, { oneTimeCode: '000000' })),
    'SECOND_FACTOR_REFUSED',
  );
  assert.equal((await client.poll()).state, PollState.PENDING);
  await decide(browser, client.requestId, true, { oneTimeCode: auth.code(alice) });
  assert.equal((await client.poll()).state, PollState.DONE);
});

test('a cookie alone approves nothing for who has a passkey, however fresh the sign-in', async () => {
  const user = await auth.addUser('keyed', { roles: ['access'] });
  const browser = await signedIn(user);
  await browser.addPasskey(auth, user);
  const client = await tsh().start({ polls: true });
  assert.equal(await codeOf(decide(browser, client.requestId)), 'MFA_REQUIRED');
  const { challenge, webauthnOptionsJson } = await browser.call((api, options) => api.beginMfaChallenge({}, options));
  const webauthnResponseJson = browser.authenticator.get(webauthnOptionsJson);
  await decide(browser, client.requestId, true, { challenge, webauthnResponseJson });
  assert.equal((await client.poll()).state, PollState.DONE);
});

const lifetimes = [
  { name: 'as long as any sign-in', ttlSeconds: 0, most: 12 * 3600 },
  { name: 'as short as tsh wished', ttlSeconds: 600, most: 600 },
  { name: 'no longer than the session that approved it', ttlSeconds: 100 * 3600, most: 12 * 3600 },
  {
    name: 'with a second factor, never longer than the roles allow',
    ttlSeconds: 100 * 3600,
    most: 30 * 3600,
    shows: true,
  },
];
for (const row of lifetimes) {
  test(`the certificate lives ${row.name}`, async () => {
    const browser = await signedIn();
    const client = await tsh().start({ ttlSeconds: row.ttlSeconds });
    if (row.shows === true) auth.clock.offsetMs += 30_000;
    const mfa = row.shows === true ? { oneTimeCode: auth.code(alice) } : undefined;
    const { redirectUrl } = await decide(browser, client.requestId, true, mfa);
    const { leaf } = client.signIn(client.opened(redirectUrl));
    const seconds = (leaf.validToDate.getTime() - auth.clock.now()) / 1000;
    assert.ok(seconds <= row.most && seconds > row.most - 60, String(seconds));
  });
}

test('roles are those of the person who approves, at that moment; the wishes of tsh change none', async () => {
  const plain = await auth.addUser('plain', { roles: [] });
  const browser = await signedIn(plain);
  const client = await tsh().start();
  const { redirectUrl } = await decide(browser, client.requestId);
  const { roles, certificate } = client.signIn(client.opened(redirectUrl));
  assert.deepEqual(roles, []);
  const person = auth.connect({ certificate, privateKey: client.keys.privateKey });
  assert.equal(await codeOf(person.client.listResources({ kind: 'user' })), 'ACCESS_DENIED');
  // The verb "readnosecrets", which would do too, is not for people.
  const { rawMessage } = await refusal(person.client.getResource({ kind: 'user', name: 'plain' }));
  assert.equal(rawMessage, 'user plain may not read user: no role of theirs has a rule for it');
});

test('a person who is locked meanwhile approves nothing, and tsh is told', async () => {
  const user = await auth.addUser('leaver', { roles: ['access'] });
  const browser = await signedIn(user);
  const client = await tsh().start({ polls: true });
  const json = JSON.stringify({
    kind: 'lock',
    version: 'v2',
    metadata: { name: 'leaver' },
    spec: { target: { user: 'leaver' } },
  });
  await auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.CREATE });
  assert.equal(await codeOf(decide(browser, client.requestId)), 'LOCKED');
  assert.notEqual((await client.poll()).state, PollState.DONE);
});

test('who may not decide: a program with a certificate, an agent, nobody', async () => {
  const client = await tsh().start({ polls: true });
  const person = auth.connect(await auth.signIn(alice));
  for (const connection of [person, auth.anonymous, (await auth.join('database')).connection]) {
    assert.equal(
      await codeOf(connection.client.decideClientLogin({ requestId: client.requestId, approve: true })),
      'BROWSER_ONLY',
    );
    assert.equal(await codeOf(connection.client.getClientLogin({ userCode: client.userCode })), 'BROWSER_ONLY');
  }
  assert.equal(await codeOf(decide(new TestBrowser(proxy), client.requestId)), 'NOT_SIGNED_IN');
});

test('codes are not guessed: after some wrong ones the right one does not open either, for that person', async () => {
  const user = await auth.addUser('guesser', { roles: ['access'] });
  const browser = await signedIn(user);
  const client = await tsh().start({ polls: true });
  await look(browser, { userCode: client.userCode });
  for (let count = 0; count < MAX_CODE_GUESSES; count += 1)
    assert.equal(await codeOf(look(browser, { userCode: 'BBBB-BBBB' })), 'CLIENT_LOGIN_GONE');
  assert.equal(await codeOf(look(browser, { userCode: client.userCode })), 'CODE_GUESSES');
  assert.equal((await look(await signedIn(), { userCode: client.userCode })).requestId, client.requestId);
  auth.clock.offsetMs += 5 * 60_000;
  assert.equal(await codeOf(look(browser, { userCode: client.userCode })), 'CODE_GUESSES');
  auth.clock.offsetMs += 6 * 60_000;
  assert.equal(await codeOf(look(browser, { userCode: client.userCode })), 'CLIENT_LOGIN_GONE');
});

test('a confirmation: the second factor, always; a token for tsh that proves it once', async () => {
  const identity = await auth.signIn(alice);
  const person = auth.connect(identity);
  await announce(proxy);
  const client = await new TestClient(person).confirm('open database orders as reader');
  const browser = await signedIn();
  const seen = await look(browser, { requestId: client.requestId });
  assert.deepEqual(
    [seen.purpose, seen.user, seen.description],
    [ClientLoginPurpose.MFA, 'alice', 'open database orders as reader'],
  );
  assert.equal(await codeOf(decide(browser, client.requestId)), 'MFA_REQUIRED');
  auth.clock.offsetMs += 30_000;
  const { redirectUrl } = await decide(browser, client.requestId, true, { oneTimeCode: auth.code(alice) });
  const { mfa_token: token } = JSON.parse(client.opened(redirectUrl)) as { mfa_token: string };
  // It adds a device: what only a second factor opens.
  const add = (): Promise<unknown> => person.client.beginMfaAdd({ kind: 'otp', name: 'phone', proof: { token } });
  assert.equal(await codeOf(add()), 'OK');
  assert.equal(await codeOf(add()), 'SECOND_FACTOR_REFUSED');
});

test('a confirmation is for its person alone, and not by a token of another', async () => {
  const bob = await auth.addUser('bob', { roles: ['access'] });
  const person = auth.connect(await auth.signIn(alice));
  await announce(proxy);
  const client = await new TestClient(person).confirm('open database orders');
  const stranger = await signedIn(bob);
  auth.clock.offsetMs += 30_000;
  assert.equal(
    await codeOf(decide(stranger, client.requestId, true, { oneTimeCode: auth.code(bob) })),
    'CLIENT_LOGIN_OTHER',
  );
  assert.equal(await codeOf(decide(stranger, client.requestId, false)), 'CLIENT_LOGIN_OTHER');
  assert.equal((await auth.events('T1013W')).at(-1)?.['error'], 'it is of another person');
  const browser = await signedIn();
  assert.equal(await codeOf(decide(browser, client.requestId, true, { token: 'A'.repeat(43) })), 'MFA_REQUIRED');
});

test('a code is for a sign-in: a confirmation has none', async () => {
  const person = auth.connect(await auth.signIn(alice));
  await announce(proxy);
  const client = await new TestClient(person).confirm('x');
  assert.equal(client.userCode, '');
  assert.equal(await codeOf(new TestClient(auth.anonymous).poll()), 'CLIENT_LOGIN_GONE');
  const thief = tsh();
  Object.assign(thief, { requestId: client.requestId, pollSecret: '' });
  assert.equal(await codeOf(thief.poll()), 'CLIENT_LOGIN_GONE');
});

test('what is shown is plain text', async () => {
  const person = auth.connect(await auth.signIn(alice));
  await announce(proxy);
  const client = await new TestClient(person).confirm(`open\u202e\u0000\n<b>orders</b>${'x'.repeat(500)}`);
  const { description } = await look(await signedIn(), { requestId: client.requestId });
  assert.match(description, /^open<b>orders<\/b>x+$/);
  assert.ok(description.length <= 200);
});

test('a key of another kind is refused before anything is kept', async () => {
  const { client } = auth.anonymous;
  const request = tsh();
  const good = { publicKey: request.keys.publicKey, sealKey: request.sealKeys.publicKey };
  assert.equal(await codeOf(client.startClientLogin({ ...good, sealKey: new Uint8Array(91) })), 'CONFIG_INVALID');
  assert.equal(await codeOf(client.startClientLogin({ ...good, publicKey: new Uint8Array(0) })), 'CONFIG_INVALID');
});

test('a connector: unknown ones are told, and a code needs none', async () => {
  assert.equal(await codeOf(tsh().start({ connector: 'nowhere' })), 'CONNECTOR_UNKNOWN');
  const json = JSON.stringify({
    kind: 'github',
    version: 'v3',
    metadata: { name: 'code' },
    spec: {
      client_id: 'x',
      client_secret: 'y',
      redirect_url: `${ORIGIN}/v1/webapi/github/callback`,
      teams_to_roles: [{ organization: 'o', team: 't', roles: ['access'] }],
    },
  });
  await auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.CREATE });
  assert.equal(await codeOf(tsh().start({ connector: 'code', polls: true })), 'CONFIG_INVALID');
  const client = await tsh().start({ connector: 'code' });
  assert.match(client.url, /^https:\/\/github\.com\//);
  assert.equal(
    await codeOf(tsh().start({ connector: 'code', callbackUrl: 'https://evil.example.com/back' })),
    'CONFIG_INVALID',
  );
  const browser = await signedIn();
  assert.equal(await codeOf(look(browser, { requestId: client.requestId })), 'CLIENT_LOGIN_GONE');
  assert.equal(await codeOf(decide(browser, client.requestId)), 'CLIENT_LOGIN_GONE', 'only the provider decides it');
  await auth.admin.client.deleteResource({ kind: 'github', name: 'code' });
});

test('polls that come too soon are limited by address; a patient tsh never is', async () => {
  const strict = await TestAuth.start({
    more: ['  limits:', '    anonymous_rate_per_minute: 20', '    anonymous_burst: 20'],
  });
  try {
    await announce(await strict.join('proxy'));
    const client = await new TestClient(strict.anonymous).start({ polls: true });
    const codes: string[] = [];
    for (let count = 0; count < 30; count += 1) codes.push(await codeOf(client.poll()));
    assert.deepEqual([codes[0], codes.at(-1)], ['OK', 'ANONYMOUS_RATE']);
    strict.clock.offsetMs += 61_000;
    assert.equal((await client.poll()).state, PollState.PENDING);
  } finally {
    await strict.stop();
  }
});

test('not more than so many wait, of one address', async () => {
  auth.clock.offsetMs += 11 * 60_000;
  await announce(proxy);
  for (let count = 0; count < defaultAuthLimits.maxClientLoginsPerClient; count += 1)
    await tsh().start({ polls: true });
  assert.equal(await codeOf(tsh().start({ polls: true })), 'CLIENT_LOGINS_BUSY');
  auth.clock.offsetMs += 11 * 60_000;
  await announce(proxy);
  assert.equal(await codeOf(tsh().start()), 'OK');
});
