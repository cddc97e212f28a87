import assert from 'node:assert/strict';
import { after, before, beforeEach, mock, test } from 'node:test';
import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import { Passwords } from '../../sso/local/password.ts';
import { codeOf, newKeys, refusal, TestAuth, type TestHost, type TestUser } from './auth.fixture.ts';
import { announce, TestBrowser } from './web.fixture.ts';

/** Local users at the sign-in page: the two steps, passkeys, what a stranger learns, and how often one may guess. */

let auth: TestAuth;
let proxy: TestHost;
let alice: TestUser;

before(async () => {
  auth = await TestAuth.start();
  proxy = await auth.join('proxy');
  alice = await auth.addUser('alice', { roles: ['access'] });
});
beforeEach(() => announce(proxy));
after(() => auth.stop());

/** Changes the cluster's sign-in settings for one test. */
async function withPreference(change: object, run: () => Promise<void>): Promise<void> {
  const kind = 'cluster_auth_preference';
  const name = 'cluster-auth-preference';
  const { client } = auth.admin;
  const before = (await client.getResource({ kind, name })).resource?.json ?? '';
  const changed = JSON.parse(before) as { spec: object };
  const put = (json: string): Promise<unknown> => client.putResource({ json, mode: PutResourceRequest_Mode.UPSERT });
  await put(JSON.stringify({ ...changed, spec: { ...changed.spec, ...change } }));
  try {
    await run();
  } finally {
    await put(before);
  }
}

/** A tsh sign-in with a code not used before. */
function byTsh(user: TestUser, password = user.password): Promise<unknown> {
  auth.clock.offsetMs += 30_000;
  const { publicKey } = newKeys();
  return auth.anonymous.client.signIn({ user: user.name, password, oneTimeCode: auth.code(user), publicKey });
}

test('what the page offers', async () => {
  const options = await auth.anonymous.client.getSignInOptions({});
  assert.deepEqual(
    [options.local, options.secondFactors, options.passwordless, options.preferred, options.connectors],
    [true, ['otp', 'webauthn'], true, 'local', []],
  );
});

test('providers are offered by name, the one of the cluster first in mind; nothing secret is', async () => {
  const json = JSON.stringify({
    kind: 'github',
    version: 'v3',
    metadata: { name: 'code' },
    spec: {
      display: 'GitHub',
      client_id: 'public',
      client_secret: 'the very secret',
      redirect_url: 'https://access.example.com:3080/v1/webapi/github/callback',
      teams_to_roles: [{ organization: 'o', team: 't', roles: ['access'] }],
    },
  });
  await auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.CREATE });
  await withPreference({ connector_name: 'code', type: 'github' }, async () => {
    const options = await auth.anonymous.client.getSignInOptions({});
    assert.deepEqual(
      options.connectors.map(({ name, kind, display }) => [name, kind, display]),
      [['code', 'github', 'GitHub']],
    );
    assert.equal(options.preferred, 'code');
    assert.doesNotMatch(JSON.stringify(options), /secret|public/);
  });
  assert.equal((await auth.anonymous.client.getSignInOptions({})).preferred, 'local');
  await auth.admin.client.deleteResource({ kind: 'github', name: 'code' });
});

test('the password alone is no session, and no proof that lasts', async () => {
  const browser = new TestBrowser(proxy);
  const { attempt, signedIn, oneTimeCode } = await browser.begin('alice', alice.password);
  assert.deepEqual([signedIn, oneTimeCode, browser.cookie], [false, true, '']);
  auth.clock.offsetMs += 5 * 60_000 + 1000;
  assert.equal(await codeOf(browser.finish({ attempt, oneTimeCode: auth.code(alice) })), 'SIGN_IN_OVER');
});

test('an attempt is finished once, and a code is good once', async () => {
  auth.clock.offsetMs += 30_000;
  const browser = new TestBrowser(proxy);
  const first = await browser.begin('alice', alice.password);
  const second = await browser.begin('alice', alice.password);
  const oneTimeCode = auth.code(alice);
  assert.equal((await browser.finish({ attempt: first.attempt, oneTimeCode })).user, 'alice');
  assert.equal(
    await codeOf(browser.finish({ attempt: first.attempt, oneTimeCode: auth.code(alice, 1) })),
    'SIGN_IN_OVER',
  );
  assert.equal(
    await codeOf(new TestBrowser(proxy).finish({ attempt: second.attempt, oneTimeCode })),
    'SIGN_IN_REFUSED',
  );
});

test('a mistyped code does not send back to the password', async () => {
  auth.clock.offsetMs += 30_000;
  const browser = new TestBrowser(proxy);
  const { attempt } = await browser.begin('alice', alice.password);
  assert.equal(await codeOf(browser.finish({ attempt, oneTimeCode: '000000' })), 'SIGN_IN_REFUSED');
  assert.equal(await codeOf(browser.finish({ attempt })), 'SIGN_IN_REFUSED');
  assert.equal((await browser.finish({ attempt, oneTimeCode: auth.code(alice) })).user, 'alice');
});

test("one person's attempt takes no other person's factor, and none is made up", async () => {
  const eve = await auth.addUser('eve', { roles: ['access'] });
  auth.clock.offsetMs += 30_000;
  const browser = new TestBrowser(proxy);
  const { attempt } = await browser.begin('eve', eve.password);
  assert.equal(await codeOf(browser.finish({ attempt, oneTimeCode: auth.code(alice) })), 'SIGN_IN_REFUSED');
  const [, secret = ''] = attempt.split('.');
  const renamed = `${Buffer.from('alice').toString('base64url')}.${secret}`;
  for (const forged of [renamed, '', '.', `${attempt}x`, 'passkey.', `passkey.${secret}`])
    assert.match(
      await codeOf(browser.finish({ attempt: forged, oneTimeCode: auth.code(alice) })),
      /^SIGN_IN_(OVER|REFUSED)$/,
      forged,
    );
  assert.equal(browser.cookie, '');
});

test('a stranger learns nothing: unknown users cost the same hashes and get the same words', async () => {
  const hashes = mock.method(Passwords.prototype, 'verify');
  const browser = new TestBrowser(proxy);
  const answers: string[] = [];
  const counts: number[] = [];
  for (const user of ['alice', 'nobody', 'also-nobody', '', '../../x']) {
    hashes.mock.resetCalls();
    const error = await refusal(browser.begin(user, 'a wrong password'));
    answers.push(`${fromConnectError(error).code} ${error.rawMessage}`);
    counts.push(hashes.mock.callCount());
  }
  hashes.mock.restore();
  assert.equal(new Set(answers).size, 1, answers.join('\n'));
  assert.match(answers[0] ?? '', /^SIGN_IN_REFUSED /);
  assert.deepEqual(counts, [1, 1, 1, 1, 1]);
});

const orders = [
  { name: 'passwords in the browser, then tsh', guesses: ['web', 'web', 'web', 'web', 'web'] },
  { name: 'here and there', guesses: ['web', 'tsh', 'code', 'tsh', 'code'] },
  { name: 'codes after a right password', guesses: ['code', 'code', 'code', 'code', 'code'] },
] as const;
for (const [index, row] of orders.entries()) {
  test(`brute force, ${row.name}: five failures lock both doors for 30 minutes`, async () => {
    const user = await auth.addUser(`guessed-${index}`, { roles: ['access'] });
    const browser = new TestBrowser(proxy);
    const guess = {
      web: () => browser.begin(user.name, 'a wrong password'),
      tsh: () => byTsh(user, 'a wrong password'),
      code: async () => {
        const { attempt } = await browser.begin(user.name, user.password);
        return browser.finish({ attempt, oneTimeCode: '000000' });
      },
    };
    const half = await browser.begin(user.name, user.password);
    for (const kind of row.guesses) assert.equal(await codeOf(guess[kind]()), 'SIGN_IN_REFUSED');
    assert.equal(await codeOf(browser.begin(user.name, user.password)), 'SIGN_IN_REFUSED', 'the right password');
    assert.equal(await codeOf(byTsh(user)), 'SIGN_IN_REFUSED', 'tsh');
    assert.equal(
      await codeOf(browser.finish({ attempt: half.attempt, oneTimeCode: auth.code(user, 1) })),
      'SIGN_IN_REFUSED',
      'an attempt that was begun before',
    );
    assert.equal((await auth.events('TUL00W')).at(-1)?.['name'], user.name);
    auth.clock.offsetMs += 31 * 60_000;
    await announce(proxy);
    await browser.signIn(auth, user);
    assert.equal((await browser.myself()).user, user.name);
  });
}

test('an honest person who signs in often is never locked out by their own successes', async () => {
  const user = await auth.addUser('often', { roles: ['access'] });
  const browser = new TestBrowser(proxy);
  for (let count = 0; count < 7; count += 1) await browser.begin(user.name, user.password);
  await browser.signIn(auth, user);
  assert.equal((await browser.myself()).user, 'often');
});

test('a passkey as second factor, and alone', async () => {
  const user = await auth.addUser('keyed', { roles: ['access'] });
  const browser = new TestBrowser(proxy);
  await browser.signIn(auth, user);
  await browser.addPasskey(auth, user);
  const begun = await browser.begin(user.name, user.password);
  const webauthnResponseJson = browser.authenticator.get(begun.webauthnOptionsJson);
  await browser.finish({ attempt: begun.attempt, webauthnResponseJson });
  assert.equal((await browser.myself()).mfa, 'webauthn');
  const alone = await browser.call((client, options) => client.beginPasskeySignIn({}, options));
  const answer = browser.authenticator.get(alone.webauthnOptionsJson);
  assert.equal((await browser.finish({ attempt: alone.attempt, webauthnResponseJson: answer })).user, 'keyed');
  assert.equal(
    await codeOf(browser.finish({ attempt: alone.attempt, webauthnResponseJson: answer })),
    'SIGN_IN_REFUSED',
    'the same answer again',
  );
});

test('a passkey alone needs its person verified, and a cluster that allows it', async () => {
  const user = await auth.addUser('unverified', { roles: ['access'] });
  const browser = new TestBrowser(proxy);
  await browser.signIn(auth, user);
  await browser.addPasskey(auth, user);
  const begin = () => browser.call((client, options) => client.beginPasskeySignIn({}, options));
  const { attempt, webauthnOptionsJson } = await begin();
  const weak = browser.authenticator.get(webauthnOptionsJson, { userVerified: false });
  assert.equal(await codeOf(browser.finish({ attempt, webauthnResponseJson: weak })), 'SIGN_IN_REFUSED');
  const later = await begin();
  await withPreference({ allow_passwordless: false }, async () => {
    assert.equal((await auth.anonymous.client.getSignInOptions({})).passwordless, false);
    assert.equal(await codeOf(begin()), 'PASSKEY_ALONE_OFF');
    const webauthnResponseJson = browser.authenticator.get(later.webauthnOptionsJson);
    assert.equal(await codeOf(browser.finish({ attempt: later.attempt, webauthnResponseJson })), 'PASSKEY_ALONE_OFF');
  });
});

test('where only passkeys are taken a one-time code opens nothing', async () => {
  await withPreference({ second_factors: ['webauthn'] }, async () => {
    assert.equal(await codeOf(new TestBrowser(proxy).begin('alice', alice.password)), 'SECOND_FACTOR_NEEDED');
    assert.equal(await codeOf(byTsh(alice)), 'SIGN_IN_REFUSED');
  });
});

test('local sign-in switched off: no password, no passkey, no tsh; the administrator of the machine stays', async () => {
  auth.clock.offsetMs += 30_000;
  const browser = new TestBrowser(proxy);
  const { attempt } = await browser.begin('alice', alice.password);
  await withPreference({ allow_local_auth: false }, async () => {
    const options = await auth.anonymous.client.getSignInOptions({});
    assert.deepEqual([options.local, options.passwordless, options.preferred], [false, false, '']);
    assert.equal(await codeOf(browser.begin('alice', alice.password)), 'LOCAL_SIGN_IN_OFF');
    assert.equal(await codeOf(browser.finish({ attempt, oneTimeCode: auth.code(alice) })), 'LOCAL_SIGN_IN_OFF');
    assert.equal(await codeOf(browser.call((client, to) => client.beginPasskeySignIn({}, to))), 'LOCAL_SIGN_IN_OFF');
    assert.equal(await codeOf(byTsh(alice)), 'LOCAL_SIGN_IN_OFF');
    assert.equal((await auth.admin.client.listResources({ kind: 'user' })).resources.length > 0, true);
  });
});

test('a locked person is told so, with the right password and factor only', async () => {
  const user = await auth.addUser('locked', { roles: ['access'] });
  const json = JSON.stringify({
    kind: 'lock',
    version: 'v2',
    metadata: { name: 'for-locked' },
    spec: { target: { user: 'locked' }, message: 'ask the desk' },
  });
  await auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.CREATE });
  const browser = new TestBrowser(proxy);
  assert.doesNotMatch((await refusal(browser.begin('locked', 'a wrong password'))).rawMessage, /ask the desk/);
  assert.match((await refusal(browser.signIn(auth, user))).rawMessage, /ask the desk/);
  assert.equal(browser.cookie, '');
});

test('limits count by the address of the browser, not of the proxy', async () => {
  const strict = await TestAuth.start({
    more: ['  limits:', '    anonymous_rate_per_minute: 12', '    anonymous_burst: 12'],
  });
  try {
    const door = await strict.join('proxy');
    const noisy = new TestBrowser(door, '203.0.113.9');
    const codes: string[] = [];
    for (let count = 0; count < 14; count += 1) codes.push(await codeOf(noisy.begin('nobody', 'a wrong password')));
    assert.equal(codes.at(0), 'SIGN_IN_REFUSED');
    assert.equal(codes.at(-1), 'ANONYMOUS_RATE');
    assert.equal(
      await codeOf(new TestBrowser(door, '203.0.113.10').begin('nobody', 'a wrong password')),
      'SIGN_IN_REFUSED',
    );
  } finally {
    await strict.stop();
  }
});
