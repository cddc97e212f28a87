import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { TestAuth, type TestHost, type TestUser } from '../../service/auth/auth.fixture.ts';
import type { Clock } from '../../telemetry/clock.ts';
import { announce, TestBrowser } from '../../service/auth/web.fixture.ts';
import { testIo } from '../cluster.fake.ts';
import { confirmInBrowser } from './browser-confirm.ts';
import { signInByBrowser, signInByCode, type BrowserSignIn } from './browser-login.ts';
import { ProfileStore, type Profile } from './profile.ts';
import { openSession, type Session } from './session.ts';
import type { SignedIn } from './signed-in.ts';

/** tsh's half with a real Auth Service; the browser is what `TestBrowser` does with the printed address. */

let auth: TestAuth;
let proxy: TestHost;
let alice: TestUser;
const home = mkdtempSync(join(tmpdir(), 'tsh-by-browser-'));

before(async () => {
  auth = await TestAuth.start();
  proxy = await auth.join('proxy');
  alice = await auth.addUser('alice', { roles: ['access'] });
});
beforeEach(() => announce(proxy));
after(async () => {
  await auth.stop();
  rmSync(home, { recursive: true, force: true });
});

type TestIo = ReturnType<typeof testIo>;

function wish(more: Partial<BrowserSignIn> = {}): BrowserSignIn {
  const { hostAuthorities, clock } = auth;
  return { proxy: auth.address, ttlSeconds: 0, user: undefined, hostAuthorities, clock, ...more };
}

/** Begins; `run` gets what tsh printed. */
async function begun<T>(
  io: TestIo,
  work: Promise<T>,
  pattern: RegExp,
): Promise<{ readonly found: string; readonly done: Promise<T> }> {
  work.catch(() => {});
  for (;;) {
    const found = pattern.exec(io.err())?.[1];
    if (found !== undefined) return { found, done: work };
    await Promise.race([work, new Promise((resolve) => setTimeout(resolve, 5))]);
  }
}

function byCallback(io: TestIo, more: Partial<BrowserSignIn> = {}): Promise<SignedIn> {
  return signInByBrowser(io, auth.connect(undefined), { ...wish(more), connector: '', open: false });
}

const LINK = /\/web\/confirm\/([\w-]+)\n/;
const CODE = /([A-Z]{4}-[A-Z]{4})\n/;

async function browser(): Promise<TestBrowser> {
  const page = new TestBrowser(proxy);
  await page.signIn(auth, alice);
  return page;
}

async function decide(page: TestBrowser, requestId: string, approve = true, oneTimeCode = ''): Promise<string> {
  const mfa = oneTimeCode === '' ? {} : { mfa: { oneTimeCode } };
  return (await page.call((client, options) => client.decideClientLogin({ requestId, approve, ...mfa }, options)))
    .redirectUrl;
}

function visit(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    }).on('error', reject);
  });
}

test('with a callback: printed, approved, brought back; the certificate is for the key made here', async () => {
  const page = await browser();
  const io = testIo(home);
  const { found, done } = await begun(io, byCallback(io), LINK);
  assert.equal(await visit(await decide(page, found)), 200);
  const { profile, certificate, privateKey, hostAuthorities } = await done;
  assert.deepEqual(profile, { proxy: auth.address, user: 'alice', cluster: 'test', roles: ['access'] });
  assert.deepEqual(hostAuthorities.length, 1);
  assert.equal((await auth.connect({ certificate, privateKey }).client.getMyself({})).user, 'alice');
  assert.equal(io.out(), '', 'nothing but questions, on stderr');
});

test('refused in the browser', async () => {
  const page = await browser();
  const io = testIo(home);
  const { found, done } = await begun(io, byCallback(io), LINK);
  assert.equal(await visit(await decide(page, found, false)), 400);
  await assert.rejects(done, { code: 'BROWSER_DENIED' });
});

test("another request's answer, led to this callback, is no answer", async () => {
  const page = await browser();
  const [one, two] = [testIo(home), testIo(home)];
  const first = await begun(one, byCallback(one), LINK);
  const second = await begun(two, byCallback(two), LINK);
  const [mine, theirs] = [await decide(page, first.found), await decide(page, second.found)];
  const crossed = new URL(mine);
  crossed.search = new URL(theirs).search;
  assert.equal(await visit(crossed.href), 400);
  await assert.rejects(first.done, { code: 'BROWSER_ANSWER' });
  assert.equal(await visit(theirs), 200);
  assert.equal((await second.done).profile.user, 'alice');
});

test('somebody else was signed in in the browser: not taken for whom tsh asked', async () => {
  const page = await browser();
  const io = testIo(home);
  const { found, done } = await begun(io, byCallback(io, { user: 'bob' }), LINK);
  await visit(await decide(page, found));
  await assert.rejects(done, { code: 'OTHER_USER', message: /signed in as alice in the browser, not as bob/ });
});

test('nobody comes: told after three minutes, in words', async () => {
  const io = testIo(home);
  auth.clock.speed = 3000;
  const work = byCallback(io);
  await assert.rejects(work, { code: 'BROWSER_TIMEOUT', message: /within 3 minutes[\s\S]*--device/ });
  auth.clock.speed = 1;
});

test('by a code', async () => {
  const page = await browser();
  const io = testIo(home);
  auth.clock.speed = 50;
  const work = signInByCode(io, auth.connect(undefined), wish());
  const { found: userCode, done } = await begun(io, work, CODE);
  assert.match(io.err(), /on any machine[\s\S]*https:\/\/access\.example\.com:3080\/web\/device\n/);
  const { requestId } = await page.call((client, options) => client.getClientLogin({ userCode }, options));
  await decide(page, requestId);
  assert.equal((await done).profile.user, 'alice');
  auth.clock.speed = 1;
});

test('by a code, with a clock of this machine that is hours ahead', async () => {
  const page = await browser();
  const io = testIo(home);
  auth.clock.speed = 50;
  const { clock: own } = auth;
  const clock: Clock = {
    now: () => own.now() + 5 * 3_600_000,
    monotonic: () => own.monotonic(),
    after: (...timer) => own.after(...timer),
    sleep: (...pause) => own.sleep(...pause),
  };
  const work = signInByCode(io, auth.connect(undefined), wish({ clock }));
  const { found: userCode, done } = await begun(io, work, CODE);
  const { requestId } = await page.call((client, options) => client.getClientLogin({ userCode }, options));
  await decide(page, requestId);
  assert.equal((await done).profile.user, 'alice');
  auth.clock.speed = 1;
});

test('by a code that the Auth Service knows no more', async () => {
  const io = testIo(home);
  auth.clock.speed = 50;
  const { done } = await begun(io, signInByCode(io, auth.connect(undefined), wish()), CODE);
  auth.clock.offsetMs += 11 * 60_000;
  await assert.rejects(done, { code: 'CODE_EXPIRED' });
  auth.clock.speed = 1;
});

test('by a code, refused', async () => {
  const page = await browser();
  const io = testIo(home);
  auth.clock.speed = 50;
  const { found: userCode, done } = await begun(io, signInByCode(io, auth.connect(undefined), wish()), CODE);
  const { requestId } = await page.call((client, options) => client.getClientLogin({ userCode }, options));
  await decide(page, requestId, false);
  await assert.rejects(done, { code: 'BROWSER_DENIED' });
  auth.clock.speed = 1;
});

test('a confirmation: a token that Auth takes as a second factor', async () => {
  const session = await sessionOf(await auth.signIn(alice));
  await announce(proxy);
  const page = await browser();
  const io = testIo(home);
  const work = confirmInBrowser(io, session, { description: 'open orders', clock: auth.clock });
  const { found, done } = await begun(io, work, LINK);
  assert.match(io.err(), /show your second factor to open orders/);
  auth.clock.offsetMs += 30_000;
  assert.equal(await visit(await decide(page, found, true, auth.code(alice))), 200);
  const token = await done;
  const { client } = auth.connect(session.identity);
  await client.beginMfaAdd({ kind: 'otp', name: 'phone', proof: { token } });
});

async function sessionOf(identity: { readonly certificate: string; readonly privateKey: string }): Promise<Session> {
  const store = new ProfileStore(testIo(home));
  const profile: Profile = { proxy: auth.address, user: 'alice', cluster: 'test', roles: ['access'] };
  store.writeTrust(profile, { proxyAuthorities: auth.hostAuthorities, hostAuthorities: auth.hostAuthorities });
  store.writeIdentity(profile, identity);
  store.write(profile);
  return openSession({ ...testIo(home), nowMs: () => auth.clock.now() }, {});
}
