import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { createAuthority } from '../../../pki/authority.ts';
import { issueCertificate } from '../../../pki/issue.ts';
import { generateKeyPair } from '../../../pki/keys.ts';
import { userProfile } from '../../../pki/profiles.ts';
import { ManualClock } from '../../../telemetry/manual-clock.ts';
import { Cancelled, failure } from '../../failure.ts';
import { TunnelRefused } from './refusal.ts';
import type { RouteCredential, RouteKeeperOptions } from './route-keeper.ts';
import { RouteKeeper } from './route-keeper.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
let pair: { readonly certificate: string; readonly privateKey: string; readonly authority: string };

before(async () => {
  const authority = await createAuthority('user', 'fake', () => Date.now());
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const who = { kind: 'user', user: 'alice', userKind: 'local', roles: [], traits: {} } as const;
  const { pem } = await issueCertificate(authority, userProfile(who), { publicKeyDer, ttlMs: HOUR, nowMs: Date.now() });
  pair = { certificate: pem, privateKey: privateKeyPem, authority: authority.certificatePem };
});

type World = {
  readonly clock: ManualClock;
  readonly told: string[];
  /** When the session on disk ends; undefined: signed out. */
  sessionEndsMs: number | undefined;
  /** How long a certificate lives when the session allows it. */
  ttlMs: number;
  issued: number;
  problem?: Error;
  /** Why the session on disk can not be read. */
  fault?: Error | undefined;
  cancelled: boolean;
  readonly keeper: RouteKeeper;
};

/** A keeper whose certificates are what the test says they are; TLS itself is not looked at here. */
function world(options: {
  readonly ttlMs: number;
  readonly sessionMs: number;
  readonly signIn?: (of: World) => Promise<void>;
  /** Each session needs a second factor; the answer to the question for it. */
  readonly factor?: (of: World) => Promise<void>;
}): World {
  const clock = new ManualClock();
  const credential = (now: number, ends: number, proven = false): RouteCredential => ({
    certificate: pair.certificate,
    privateKey: pair.privateKey,
    validFromMs: now,
    expiresMs: Math.min(now + state.ttlMs, ends),
    proven,
  });
  const state: Omit<World, 'keeper'> & { keeper?: RouteKeeper } = {
    clock,
    told: [],
    sessionEndsMs: clock.now() + options.sessionMs,
    ttlMs: options.ttlMs,
    issued: 0,
    cancelled: false,
  };
  const { signIn, factor } = options;
  const given: RouteKeeperOptions = {
    name: 'orders',
    signInCommand: 'tsh login --proxy=p:1 --user=alice',
    authorities: () => [pair.authority],
    async issue() {
      if (state.problem !== undefined) throw state.problem;
      const ends = state.sessionEndsMs;
      if (ends === undefined || ends <= clock.now()) throw failure('SESSION_EXPIRED', 'the session ended', 'tsh login');
      if (factor !== undefined) throw mfaRequired();
      state.issued += 1;
      return credential(clock.now(), ends);
    },
    prove:
      factor === undefined
        ? undefined
        : async () => {
            await factor(whole);
            state.issued += 1;
            return credential(clock.now(), state.sessionEndsMs ?? 0, true);
          },
    sessionEndsMs() {
      if (state.fault !== undefined) throw state.fault;
      return state.sessionEndsMs;
    },
    signIn: signIn === undefined ? undefined : () => signIn(whole),
    onCancelled: () => (state.cancelled = true),
    tell: (line) => state.told.push(line),
    clock,
  };
  const keeper = new RouteKeeper(credential(clock.now(), clock.now() + options.sessionMs, factor !== undefined), given);
  const whole = Object.assign(state, { keeper });
  return whole;
}

function mfaRequired(): ConnectError {
  return new ConnectError('needs a second factor', Code.PermissionDenied, { 'tessera-code': 'SESSION_MFA_REQUIRED' });
}

function refusal(reason: string, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TunnelRefused, String(error));
    assert.equal(error.refusal.reason, reason);
    assert.match(`${error.refusal.message}\n${error.refusal.hint}`, text);
    return true;
  };
}

test('renews at three quarters of its life, again and again, while the sign-in lasts longer', async () => {
  const at = world({ ttlMs: HOUR, sessionMs: 10 * HOUR });
  await at.clock.advanceSettling(0.74 * HOUR);
  assert.equal(at.issued, 0);
  await at.clock.advanceSettling(0.02 * HOUR);
  assert.equal(at.issued, 1);
  assert.match(at.told.join('\n'), /^certificate for orders renewed, good until 2026-01-01 01:45:00 UTC$/);
  await at.clock.advanceSettling(5 * HOUR);
  assert.equal(at.issued, 7);
  await at.keeper.context();
  at.keeper.close();
  assert.equal(at.clock.pendingTimers, 0);
});

test('a session that can not be read from disk ends nothing: told once, tried again, taken up when it can be read', async () => {
  const at = world({ ttlMs: HOUR, sessionMs: 10 * HOUR });
  at.fault = new Error('too many open files');
  await at.clock.advanceSettling(0.8 * HOUR);
  assert.deepEqual(at.told, [
    'the certificate for orders can not be renewed: too many open files; trying again every 30 s',
  ]);
  at.fault = undefined;
  await at.clock.advanceSettling(31_000);
  assert.equal(at.issued, 1);
  await at.keeper.context();
  at.keeper.close();
  assert.equal(at.clock.pendingTimers, 0);
});

test('a certificate that ends with the sign-in is not asked for again in vain; nobody to ask: refuses, and says once what to type', async () => {
  const at = world({ ttlMs: 12 * HOUR, sessionMs: 2 * HOUR });
  await at.clock.advanceSettling(2 * HOUR - 6000);
  assert.equal(at.issued, 0);
  assert.deepEqual(at.told, []);
  await at.keeper.context();
  await at.clock.advanceSettling(7000);
  const words = /the sign-in has ended\nin a terminal: tsh login --proxy=p:1 --user=alice/;
  for (let i = 0; i < 3; i += 1) await assert.rejects(at.keeper.context(), refusal('signed-out', words));
  assert.equal(at.told.length, 1);
  assert.match(at.told[0] ?? '', /ended; new connections are refused until somebody types: tsh login --proxy=p:1/);
  // Somebody signs in elsewhere: the next connection takes it up.
  at.sessionEndsMs = at.clock.now() + 10 * HOUR;
  await at.keeper.context();
  assert.equal(at.issued, 1);
  at.keeper.close();
});

test('a sign-in that was made anew in time is taken up without a word from anybody', async () => {
  const at = world({ ttlMs: 12 * HOUR, sessionMs: 2 * HOUR });
  await at.clock.advanceSettling(HOUR);
  at.sessionEndsMs = at.clock.now() + 10 * HOUR;
  await at.clock.advanceSettling(1.5 * HOUR);
  await at.keeper.context();
  assert.equal(at.issued, 1);
  assert.match(at.told.join('\n'), /^certificate for orders renewed/);
  at.keeper.close();
});

test('asks only when the sign-in has ended, refuses meanwhile, and goes on with the answer', async () => {
  const answer = Promise.withResolvers<void>();
  let asked = 0;
  const at = world({
    ttlMs: 12 * HOUR,
    sessionMs: HOUR,
    async signIn(of) {
      asked += 1;
      await answer.promise;
      of.sessionEndsMs = of.clock.now() + 8 * HOUR;
    },
  });
  await at.clock.advanceSettling(HOUR - 6000);
  assert.equal(asked, 0);
  await at.clock.advanceSettling(6000);
  assert.equal(asked, 1);
  await assert.rejects(
    at.keeper.context(),
    refusal('signed-out', /answer the question in the terminal where tsh runs/),
  );
  answer.resolve();
  await at.clock.advanceSettling(0);
  await at.keeper.context();
  assert.deepEqual([asked, at.issued], [1, 1]);
  at.keeper.close();
});

test('a sign-in that failed is asked for again at the next connection; Ctrl-C at the question ends the tunnel', async () => {
  const errors = [failure('SIGN_IN_REFUSED', 'could not sign in', 'try again'), new Cancelled()];
  const at = world({
    ttlMs: HOUR,
    sessionMs: HOUR,
    signIn: () => Promise.reject(errors.shift() ?? new Error('asked too often')),
  });
  await at.clock.advanceSettling(HOUR);
  assert.match(at.told.at(-1) ?? '', /^could not sign in; asked again at the next connection$/);
  assert.equal(at.cancelled, false);
  await assert.rejects(at.keeper.context(), TunnelRefused);
  await at.clock.advanceSettling(0);
  assert.equal(at.cancelled, true);
  at.keeper.close();
});

test('Auth is away: the certificate serves to its end, told once, then connections are refused with the reason; tried again until it works', async () => {
  const at = world({ ttlMs: HOUR, sessionMs: 10 * HOUR });
  at.problem = failure('AUTH_UNREACHABLE', 'auth service not reachable', 'check the network');
  await at.clock.advanceSettling(0.9 * HOUR);
  await at.keeper.context();
  assert.deepEqual(at.told, [
    'the certificate for orders can not be renewed: auth service not reachable; trying again every 30 s',
  ]);
  await at.clock.advanceSettling(0.2 * HOUR);
  await assert.rejects(
    at.keeper.context(),
    refusal('denied', /has ended and can not be renewed: auth service not reachable/),
  );
  delete at.problem;
  await at.clock.advanceSettling(31_000);
  await at.keeper.context();
  at.keeper.close();
  assert.equal(at.clock.pendingTimers, 0);
});

test('who signs out is refused at once, although the certificate in memory would still be good', async () => {
  const at = world({ ttlMs: HOUR, sessionMs: 10 * HOUR });
  at.sessionEndsMs = undefined;
  await assert.rejects(at.keeper.context(), refusal('signed-out', /the sign-in has ended/));
  at.keeper.close();
});

test('where each session needs a second factor, it is asked for by a connection that needs it and never by itself', async () => {
  let asked = 0;
  const at = world({ ttlMs: 5 * MINUTE, sessionMs: 10 * HOUR, factor: () => Promise.resolve(void (asked += 1)) });
  await at.keeper.context();
  await at.clock.advanceSettling(3 * HOUR);
  assert.deepEqual([asked, at.issued, at.told], [0, 0, []], 'nothing is renewed, nothing told');
  assert.equal(at.clock.pendingTimers, 0);
  await Promise.all([at.keeper.context(), at.keeper.context()]);
  assert.equal(asked, 1, 'one question for all who wait');
  await at.keeper.context();
  assert.equal(asked, 1, 'the certificate is good for a while');
});

test('a connection waits for the answer, but no longer than clients do; a late answer is for the next one', async () => {
  const answer = Promise.withResolvers<void>();
  const at = world({ ttlMs: 5 * MINUTE, sessionMs: 10 * HOUR, factor: () => answer.promise });
  await at.clock.advanceSettling(10 * MINUTE);
  const waiting = at.keeper.context();
  const refused = assert.rejects(
    waiting,
    refusal('signed-out', /second factor.*none was shown yet[\s\S]*where tsh runs/),
  );
  await at.clock.advanceSettling(MINUTE);
  await refused;
  answer.resolve();
  await at.keeper.context();
  assert.equal(at.issued, 1);
  at.keeper.close();
});

test('a second factor that was refused is asked for again by the next connection; Ctrl-C ends the tunnel', async () => {
  const outcomes: (Error | undefined)[] = [failure('X', 'refused', 'again'), new Cancelled()];
  const at = world({
    ttlMs: 5 * MINUTE,
    sessionMs: 10 * HOUR,
    factor: () => Promise.reject(outcomes.shift() ?? new Error('asked too often')),
  });
  await at.clock.advanceSettling(10 * MINUTE);
  await assert.rejects(at.keeper.context(), refusal('signed-out', /second factor/));
  assert.match(at.told.join(), /refused; asked again at the next connection/);
  assert.equal(at.cancelled, false);
  await assert.rejects(at.keeper.context(), refusal('signed-out', /second factor/));
  assert.equal(at.cancelled, true);
});

test('a demand that came up while the tunnel runs is noticed without a word, and one where nobody can be asked is told to the client', async () => {
  const at = world({ ttlMs: HOUR, sessionMs: 10 * HOUR });
  at.problem = mfaRequired();
  await at.clock.advanceSettling(0.9 * HOUR);
  await at.keeper.context();
  await at.clock.advanceSettling(HOUR);
  assert.deepEqual(at.told, []);
  await assert.rejects(
    at.keeper.context(),
    refusal('signed-out', /second factor for each session[\s\S]*--mfa-mode=browser/),
  );
});

test('when the sign-in has ended too, that is what is asked for', async () => {
  const at = world({ ttlMs: 5 * MINUTE, sessionMs: HOUR, factor: () => Promise.reject(new Error('not asked')) });
  await at.clock.advanceSettling(2 * HOUR);
  await assert.rejects(at.keeper.context(), refusal('signed-out', /sign-in has ended/));
});
