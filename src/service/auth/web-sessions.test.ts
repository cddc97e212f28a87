import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { defaultAuthLimits } from '../../config/defaults.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import { codeOf, TestAuth, type TestHost, type TestUser } from './auth.fixture.ts';
import { announce, TestBrowser } from './web.fixture.ts';

/** Browsers' sessions: whose they are, what ends them, and what nobody gets by lying about being a browser. */

let auth: TestAuth;
let proxy: TestHost;
let agent: TestHost;
let alice: TestUser;

before(async () => {
  auth = await TestAuth.start();
  proxy = await auth.join('proxy');
  agent = await auth.join('database');
  alice = await auth.addUser('alice', { roles: ['access'] });
});
beforeEach(() => announce(proxy));
after(() => auth.stop());

type CallArguments = Parameters<Parameters<TestBrowser['call']>[0]>;

async function signedIn(address?: string): Promise<TestBrowser> {
  const browser = new TestBrowser(proxy, address);
  await browser.signIn(auth, alice);
  return browser;
}

async function lock(target: object): Promise<string> {
  const name = `lock-${auth.clock.now()}`;
  const json = JSON.stringify({
    kind: 'lock',
    version: 'v2',
    metadata: { name },
    spec: { target, message: 'on leave' },
  });
  await auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.CREATE });
  return name;
}

test('a session is the person, with their roles as they are now', async () => {
  const browser = await signedIn();
  const me = await browser.myself();
  assert.deepEqual([me.user, me.userKind, me.roles, me.mfa], ['alice', 'local', ['access'], 'otp']);
  assert.ok(browser.maxAge > 11 * 3600 && browser.maxAge <= 12 * 3600, String(browser.maxAge));
  assert.equal(me.proxyPublicAddr, 'access.example.com:3080');
  assert.equal(me.mysqlPublicAddr, 'db.example.com:3036');
  assert.deepEqual(me.caPins, [auth.pin]);
  const login = (await auth.events('T1000I')).at(-1);
  assert.deepEqual([login?.['addr.remote'], login?.['with_mfa'], login?.['method']], ['198.51.100.7', 'otp', 'local']);
});

test('what is allowed is told by kind and verb, and nothing more', async () => {
  const auditor = await auth.addUser('auditor', { roles: ['auditor'] });
  const browser = new TestBrowser(proxy);
  await browser.signIn(auth, auditor);
  const { allowed } = await browser.myself();
  assert.ok(allowed.some(({ resource, verbs }) => resource === 'event' && verbs.includes('list')));
  for (const { resource, verbs } of allowed)
    assert.deepEqual(
      verbs.filter((verb) => ['create', 'update', 'delete'].includes(verb)),
      [],
      resource,
    );
  assert.equal(
    await codeOf(browser.call((client, options) => client.deleteResource({ kind: 'user', name: 'alice' }, options))),
    'ACCESS_DENIED',
  );
});

test('no cookie, or one that was never ours, is not signed in; that is nothing to record', async () => {
  const before = (await auth.events('TAP00W')).length + (await auth.events('T3007W')).length;
  const browser = new TestBrowser(proxy);
  for (const cookie of ['', 'x', 'A'.repeat(43), "'; drop table --"]) {
    browser.cookie = cookie;
    assert.equal(await codeOf(browser.myself()), 'NOT_SIGNED_IN', cookie);
  }
  assert.equal(browser.cookie, '', 'a cookie that is good for nothing is taken away');
  assert.equal((await auth.events('TAP00W')).length + (await auth.events('T3007W')).length, before);
});

test('sign-out ends the session also where its cookie was copied to', async () => {
  const browser = await signedIn();
  const thief = new TestBrowser(proxy, '203.0.113.9');
  thief.cookie = browser.cookie;
  assert.equal((await thief.myself()).user, 'alice');
  await browser.call((client, options) => client.endWebSession({}, options));
  assert.equal(browser.cookie, '');
  assert.equal(await codeOf(thief.myself()), 'NOT_SIGNED_IN');
  assert.equal((await auth.events('T1017I')).at(-1)?.['reason'], 'signed out');
});

test('fixation: a sign-in makes a new session and ends the one that the browser came with', async () => {
  const mallory = await auth.addUser('mallory', { roles: ['access'] });
  const attacker = new TestBrowser(proxy, '203.0.113.9');
  await attacker.signIn(auth, mallory);
  const victim = new TestBrowser(proxy);
  victim.cookie = attacker.cookie;
  await victim.signIn(auth, alice);
  assert.notEqual(victim.cookie, attacker.cookie);
  assert.equal((await victim.myself()).user, 'alice');
  assert.equal(await codeOf(attacker.myself()), 'NOT_SIGNED_IN');
});

test('idle: without a call for web_idle_timeout it is over; calls keep it, what a page asks by itself does not', async () => {
  const browser = await signedIn();
  for (let hour = 0; hour < 3; hour += 1) {
    auth.clock.offsetMs += 45 * 60_000;
    assert.equal((await browser.myself()).user, 'alice');
  }
  auth.clock.offsetMs += 45 * 60_000;
  const background = { 'tessera-web-background': '1' };
  await browser.call((client, options) => client.getMyself({}, options), background);
  auth.clock.offsetMs += 20 * 60_000;
  assert.equal(await codeOf(browser.myself()), 'NOT_SIGNED_IN');
  assert.equal((await auth.events('T1017I')).at(-1)?.['reason'], 'idle');
});

test('absolute: used all the time, it ends with its certificate', async () => {
  const browser = await signedIn();
  for (let minutes = 0; minutes < 12 * 60 - 30; minutes += 30) {
    auth.clock.offsetMs += 30 * 60_000;
    assert.equal(await codeOf(browser.myself()), 'OK', String(minutes));
  }
  auth.clock.offsetMs += 31 * 60_000;
  assert.equal(await codeOf(browser.myself()), 'NOT_SIGNED_IN');
});

test('a lock says why, and ends the session for good', async () => {
  const browser = await signedIn();
  const name = await lock({ user: 'alice' });
  const error = await browser.myself().catch((thrown: unknown) => ConnectError.from(thrown));
  assert.ok(error instanceof ConnectError);
  assert.match(error.rawMessage, /on leave/);
  await auth.admin.client.deleteResource({ kind: 'lock', name });
  assert.equal(await codeOf(browser.myself()), 'NOT_SIGNED_IN');
});

test('an open stream ends with its session', async () => {
  const root = await auth.addUser('watcher', { roles: ['editor', 'auditor'] });
  const browser = new TestBrowser(proxy);
  await browser.signIn(auth, root);
  auth.clock.speed = 100;
  const begun = Promise.withResolvers<void>();
  const ended = browser.call(async (client, options) => {
    const onHeader = (): void => begun.resolve();
    for await (const _ of client.watchSessions({}, { ...options, onHeader, timeoutMs: 5000 })) begun.resolve();
  });
  await Promise.race([begun.promise, ended]);
  await browser.call((client, options) => client.endWebSession({}, options));
  auth.clock.speed = 1;
  assert.notEqual(await codeOf(ended), 'DEADLINE_EXCEEDED');
});

for (const how of ['reset', 'removal'] as const) {
  test(`a ${how} ends every session of the person and sign-ins that are half done`, async () => {
    const name = `victim-of-${how}`;
    const user = await auth.addUser(name, { roles: ['access'] });
    const browsers = [new TestBrowser(proxy), new TestBrowser(proxy)];
    for (const browser of browsers) await browser.signIn(auth, user);
    const other = await signedIn();
    const { attempt } = await new TestBrowser(proxy).begin(name, user.password);
    if (how === 'reset') await auth.admin.client.resetUser({ user: name });
    else await auth.admin.client.deleteResource({ kind: 'user', name });
    for (const browser of browsers) assert.equal(await codeOf(browser.myself()), 'NOT_SIGNED_IN');
    assert.equal(
      await codeOf(new TestBrowser(proxy).finish({ attempt, oneTimeCode: auth.code(user, 1) })),
      'SIGN_IN_OVER',
    );
    assert.equal((await other.myself()).user, 'alice');
  });
}

test('with one session too many the oldest ends', async () => {
  const user = await auth.addUser('many', { roles: ['access'] });
  const browsers: TestBrowser[] = [];
  for (let count = 0; count <= defaultAuthLimits.maxWebSessionsPerUser; count += 1) {
    const browser = new TestBrowser(proxy);
    await browser.signIn(auth, user);
    browsers.push(browser);
  }
  const [oldest, ...rest] = browsers;
  assert.ok(oldest !== undefined);
  assert.equal(await codeOf(oldest.myself()), 'NOT_SIGNED_IN');
  for (const browser of rest) assert.equal(await codeOf(browser.myself()), 'OK');
});

test('pinned to an address: the cookie is good from there alone', async () => {
  const json = JSON.stringify({
    kind: 'role',
    version: 'v7',
    metadata: { name: 'pinned' },
    spec: { options: { pin_source_ip: true }, allow: {} },
  });
  await auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.CREATE });
  const user = await auth.addUser('pinned', { roles: ['pinned'] });
  const browser = new TestBrowser(proxy);
  await browser.signIn(auth, user);
  const thief = new TestBrowser(proxy, '203.0.113.9');
  thief.cookie = browser.cookie;
  assert.equal(await codeOf(thief.myself()), 'WRONG_ADDRESS');
  assert.equal((await browser.myself()).user, 'pinned');
});

const forgers: readonly { readonly name: string; readonly as: () => Promise<AuthConnection> }[] = [
  { name: 'nobody', as: () => Promise.resolve(auth.anonymous) },
  { name: 'a person', as: async () => auth.connect(await auth.signIn(alice)) },
  { name: 'an agent', as: () => Promise.resolve(agent.connection) },
  { name: 'the local administrator', as: () => Promise.resolve(auth.admin) },
];
for (const forger of forgers) {
  test(`forged: ${forger.name} who says to be a browser gets nothing, not even with a good cookie`, async () => {
    const browser = await signedIn();
    const connection = await forger.as();
    const headers = browser.headers();
    assert.equal(await codeOf(connection.client.getMyself({}, { headers })), 'WEB_HEADERS_FORGED');
    assert.equal(await codeOf(connection.client.ping({}, { headers })), 'WEB_HEADERS_FORGED');
    assert.equal(
      await codeOf(connection.client.beginWebSignIn({ user: 'alice', password: alice.password }, { headers })),
      'WEB_HEADERS_FORGED',
    );
    // Without the mark the other headers say nothing.
    const { 'tessera-web': _mark, ...unmarked } = headers;
    assert.equal(
      await codeOf(connection.client.finishWebSignIn({ attempt: 'x' }, { headers: unmarked })),
      'BROWSER_ONLY',
    );
  });
}

test('a browser is never the proxy: what services may is not for it, signed in or not', async () => {
  const browsers = [new TestBrowser(proxy), await signedIn()];
  for (const browser of browsers) {
    const calls: Readonly<Record<string, (...of: CallArguments) => Promise<unknown>>> = {
      heartbeat: (client, options) => client.heartbeat({ resources: [] }, options),
      ingest: (client, options) => client.ingestAudit({}, options),
      renewal: (client, options) => client.renewHostCertificate({}, options),
      'an answer of a provider': (client, options) => client.finishSso({}, options),
      certificate: (client, options) => client.issueUserCertificate({}, options),
      'password for a certificate': (client, options) => client.signIn({}, options),
      join: (client, options) => client.join({}, options),
    };
    for (const [name, call] of Object.entries(calls))
      assert.equal(await codeOf(browser.call(call)), 'NOT_FOR_BROWSERS', name);
  }
});

test('the proxy itself is nobody who may sign in or see a person', async () => {
  const { client } = proxy.connection;
  assert.equal(await codeOf(client.beginWebSignIn({ user: 'alice', password: alice.password })), 'BROWSER_ONLY');
  assert.equal(await codeOf(client.getMyself({})), 'ACCESS_DENIED');
});

const malformed = [
  { name: 'no address', headers: { 'tessera-client-address': '' } },
  { name: 'a name as address', headers: { 'tessera-client-address': 'localhost' } },
  { name: 'an origin in clear', headers: { 'tessera-web-origin': 'http://access.example.com' } },
  { name: 'an origin with a path', headers: { 'tessera-web-origin': 'https://access.example.com/x' } },
  { name: 'another mark', headers: { 'tessera-web': 'yes' } },
];
for (const row of malformed) {
  test(`a proxy's mistake is refused: ${row.name}`, async () => {
    const browser = new TestBrowser(proxy);
    await assert.rejects(
      browser.call((client, options) => client.ping({}, options), row.headers),
      (error: unknown) => ConnectError.from(error).code === Code.InvalidArgument,
    );
  });
}

test('a locked proxy passes nobody on', async () => {
  const other = await auth.join('proxy', 'other');
  const browser = new TestBrowser(other);
  await browser.signIn(auth, alice);
  const name = await lock({ server_id: other.hostId });
  assert.equal(await codeOf(browser.myself()), 'LOCKED');
  await auth.admin.client.deleteResource({ kind: 'lock', name });
});

test('a browser sends little: what is large is refused before it is looked at', async () => {
  const browser = new TestBrowser(proxy);
  const user = 'x'.repeat(40 * 1024);
  await assert.rejects(
    browser.begin(user, 'x'),
    (error: unknown) => ConnectError.from(error).code === Code.ResourceExhausted,
  );
  const inside = await signedIn();
  await assert.rejects(
    inside.call((client, options) => client.checkResource({ text: 'x'.repeat(1100 * 1024) }, options)),
    (error: unknown) => ConnectError.from(error).code === Code.ResourceExhausted,
  );
});
