import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Tampering } from '../../../test/kit/authenticator.ts';
import { readCredentials } from './credentials.ts';
import { removeDevice } from './devices.ts';
import { Factors, PASSWORD } from './factors.fixture.ts';
import { beginPasskeyChallenge, checkProof, factorsOf, issueMfaToken, verifyPasskey } from './second-factors.ts';
import { checkPassword, signInLocally } from './sign-in.ts';

test('codes of any device, and passkeys, prove the person', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const phone = await factors.addCodes('alice', 'phone');
  const tablet = await factors.addCodes('alice', 'tablet');
  const { authenticator } = await factors.addPasskey('alice');
  assert.deepEqual(await factorsOf('alice', factors.deps), { oneTimeCode: true, passkeys: 1 });
  factors.nextStep();
  assert.equal(await factors.prove('alice', { oneTimeCode: phone.code() }), 'otp');
  assert.equal(await factors.prove('alice', { oneTimeCode: tablet.code() }), 'otp');
  const { challenge, optionsJson } = await factors.begin('alice');
  assert.equal(
    await factors.prove('alice', { challenge, webauthnResponseJson: authenticator.get(optionsJson) }),
    'webauthn',
  );
});

test('a code is good once, also when the device was just added with it, and whoever asks for it', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { code } = await factors.addCodes('alice');
  assert.equal(await factors.prove('alice', { oneTimeCode: code() }), 'wrong one-time code', 'of the addition');
  factors.nextStep();
  const attempt = { user: 'alice', password: PASSWORD, oneTimeCode: code(), secondFactorRequired: true };
  const deps = { ...factors.deps, passwords: factors.passwords };
  assert.deepEqual(await signInLocally(attempt, deps), { type: 'SignedIn', mfa: 'otp' });
  assert.equal(await factors.prove('alice', { oneTimeCode: code() }), 'wrong one-time code', 'of the sign-in');
  factors.nextStep();
  const twice = await Promise.all([1, 2].map(() => factors.prove('alice', { oneTimeCode: code() })));
  assert.deepEqual(twice.toSorted(), ['otp', 'wrong one-time code'], 'of two at once');
});

test('a code of another person or of a device that was removed proves nothing', async () => {
  await using factors = new Factors();
  for (const user of ['alice', 'bob']) await factors.person(user);
  const alice = await factors.addCodes('alice');
  await factors.addCodes('bob');
  await factors.addCodes('alice', 'other');
  factors.nextStep();
  assert.equal(await factors.prove('bob', { oneTimeCode: alice.code() }), 'wrong one-time code');
  await removeDevice({ user: 'alice', id: alice.device.id, keepOne: true }, factors.deps);
  assert.equal(await factors.prove('alice', { oneTimeCode: alice.code() }), 'wrong one-time code');
});

const tampered: readonly { readonly name: string; readonly by: Tampering; readonly says: RegExp }[] = [
  { name: 'shown on another site', by: { origin: 'https://evil.example' }, says: /origin/ },
  { name: 'shown on another port', by: { origin: 'https://access.example.com' }, says: /origin/ },
  { name: 'shown on a subdomain', by: { origin: 'https://x.access.example.com:3080' }, says: /origin/ },
  { name: 'shown without TLS', by: { origin: 'http://access.example.com:3080' }, says: /origin/ },
  { name: 'for another domain', by: { rpId: 'evil.example' }, says: /RP ID/ },
  { name: 'for a parent domain', by: { rpId: 'example.com' }, says: /RP ID/ },
  { name: 'of another challenge', by: { challenge: 'AAAA' }, says: /challenge/ },
  { name: 'of a registration', by: { type: 'webauthn.create' }, says: /type/ },
  { name: 'inside a frame', by: { crossOrigin: true }, says: /frame/ },
  { name: 'with a signature of something else', by: { signature: Buffer.from('3006020101020101', 'hex') }, says: /./ },
  { name: 'with a signature that is none', by: { signature: Buffer.from('00', 'hex') }, says: /./ },
  { name: 'with a counter that stands still', by: { counter: 1 }, says: /counter/ },
  { name: 'with a counter that went back to nothing', by: { counter: 0 }, says: /counter/ },
  { name: 'of a credential that is not known', by: { credentialId: 'AAAA' }, says: /not one of theirs/ },
];
for (const { name, by, says } of tampered) {
  test(`a passkey is refused: ${name}`, async () => {
    await using factors = new Factors();
    await factors.person('alice');
    const { authenticator } = await factors.addPasskey('alice');
    const show = async (tampering: Tampering): Promise<string> => {
      const { challenge, optionsJson } = await factors.begin('alice');
      return factors.prove('alice', { challenge, webauthnResponseJson: authenticator.get(optionsJson, tampering) });
    };
    assert.equal(await show({}), 'webauthn');
    assert.match(await show(by), says);
    assert.equal(await show({}), 'webauthn', 'the next honest one is good');
  });
}

test('an assertion is good once, for its person, for its purpose, for five minutes', async () => {
  await using factors = new Factors();
  for (const user of ['alice', 'bob']) await factors.person(user);
  const { authenticator } = await factors.addPasskey('alice');
  const bob = await factors.addPasskey('bob');
  const answer = async () => {
    const { challenge, optionsJson } = await factors.begin('alice');
    return { challenge, webauthnResponseJson: authenticator.get(optionsJson) };
  };
  const used = await answer();
  assert.equal(await factors.prove('alice', used), 'webauthn');
  assert.equal(await factors.prove('alice', used), 'unknown, used or old challenge', 'again');
  assert.equal(await factors.prove('bob', await answer()), 'unknown, used or old challenge', 'of another person');
  const passkeyChallenge = await beginPasskeyChallenge(factors.deps);
  const forSignIn = {
    challenge: passkeyChallenge.challenge,
    webauthnResponseJson: authenticator.get(passkeyChallenge.optionsJson),
  };
  assert.equal(await factors.prove('alice', forSignIn), 'unknown, used or old challenge', 'of another purpose');
  assert.equal(await verifyPasskey(await answer(), factors.deps), undefined, 'a proof is no sign-in');
  const bobs = await factors.begin('bob');
  const foreign = {
    challenge: bobs.challenge,
    webauthnResponseJson: authenticator.show(first(authenticator.passkeys), bobs.challenge),
  };
  assert.equal(await factors.prove('bob', foreign), 'passkey: it is not one of theirs', 'another person’s passkey');
  assert.equal(bob.authenticator.passkeys.length, 1);
  const late = await answer();
  factors.nowMs += 5 * 60_000;
  assert.equal(await factors.prove('alice', late), 'unknown, used or old challenge', 'too late');
});

test('of two uses of one count one wins, and authenticators that do not count are taken', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { authenticator } = await factors.addPasskey('alice', { counts: false });
  for (let round = 0; round < 3; round += 1) {
    const { challenge, optionsJson } = await factors.begin('alice');
    const proof = { challenge, webauthnResponseJson: authenticator.get(optionsJson) };
    const outcomes = await Promise.all([1, 2].map(() => factors.prove('alice', proof)));
    assert.deepEqual(outcomes.toSorted(), ['unknown, used or old challenge', 'webauthn']);
  }
});

test('a removed passkey proves nothing, nor does it sign in', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  await factors.addCodes('alice');
  const { authenticator, device } = await factors.addPasskey('alice');
  const { challenge, optionsJson } = await factors.begin('alice');
  const alone = await beginPasskeyChallenge(factors.deps);
  await removeDevice({ user: 'alice', id: device.id, keepOne: true }, factors.deps);
  const proof = { challenge, webauthnResponseJson: authenticator.get(optionsJson) };
  assert.equal(await factors.prove('alice', proof), 'passkey: it is not one of theirs');
  const answer = { challenge: alone.challenge, webauthnResponseJson: authenticator.get(alone.optionsJson) };
  assert.equal(await verifyPasskey(answer, factors.deps), undefined);
});

const alone: readonly { readonly name: string; readonly by: Tampering; readonly want: string | undefined }[] = [
  { name: 'as it should be', by: {}, want: 'alice' },
  { name: 'its person not verified', by: { userVerified: false }, want: undefined },
  { name: 'the user handle of somebody else', by: { userHandle: 'AAAA' }, want: undefined },
  { name: 'on another site', by: { origin: 'https://evil.example' }, want: undefined },
  { name: 'a credential that is not known', by: { credentialId: 'AAAA' }, want: undefined },
];
for (const { name, by, want } of alone) {
  test(`a passkey alone: ${name}`, async () => {
    await using factors = new Factors();
    await factors.person('alice');
    const { authenticator, device } = await factors.addPasskey('alice');
    assert.equal(device.passwordless, true);
    const { challenge, optionsJson } = await beginPasskeyChallenge(factors.deps);
    assert.equal(JSON.parse(optionsJson).userVerification, 'required');
    assert.equal(JSON.parse(optionsJson).allowCredentials, undefined, 'tells nobody whose passkeys there are');
    const answer = { challenge, webauthnResponseJson: authenticator.get(optionsJson, by) };
    assert.equal((await verifyPasskey(answer, factors.deps))?.user, want);
    assert.equal(await verifyPasskey(answer, factors.deps), undefined, 'not twice');
  });
}

test('a passkey whose authenticator verifies nobody is a second factor and no sign-in', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { authenticator, device } = await factors.addPasskey('alice', { verifiesUser: false });
  assert.equal(device.passwordless, false);
  const { challenge, optionsJson } = await factors.begin('alice');
  const proof = { challenge, webauthnResponseJson: authenticator.get(optionsJson) };
  assert.equal(await factors.prove('alice', proof), 'webauthn');
});

test('the user handle is random and is not the name', async () => {
  await using factors = new Factors();
  for (const user of ['alice', 'bob']) await factors.person(user);
  const [alice, again, bob] = [
    await factors.addPasskey('alice'),
    await factors.addPasskey('alice'),
    await factors.addPasskey('bob'),
  ].map(({ authenticator }) => first(authenticator.passkeys).userHandle);
  assert.equal(Buffer.from(alice ?? '', 'base64url').length, 32);
  assert.equal(again, alice);
  assert.notEqual(bob, alice);
});

test('a token of a confirmation is good once, for its person, for five minutes', async () => {
  await using factors = new Factors();
  for (const user of ['alice', 'bob']) await factors.person(user);
  for (const user of ['alice', 'bob']) await factors.addCodes(user);
  const token = await issueMfaToken('alice', 'webauthn', factors.deps);
  const spent = 'unknown, used or old token of a confirmation';
  assert.equal(await factors.prove('bob', { token }), spent);
  const both = await Promise.all([1, 2].map(() => factors.prove('alice', { token })));
  assert.deepEqual(both.toSorted(), [spent, 'webauthn']);
  const late = await issueMfaToken('alice', 'webauthn', factors.deps);
  factors.nowMs += 5 * 60_000;
  assert.equal(await factors.prove('alice', { token: late }), spent);
});

test('failures of passwords, codes, passkeys and tokens count together', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { code } = await factors.addCodes('alice');
  await factors.addPasskey('alice');
  const deps = { ...factors.deps, passwords: factors.passwords };
  factors.nextStep();
  const wrong = { user: 'alice', password: 'not the password', oneTimeCode: '', secondFactorRequired: true };
  assert.equal((await signInLocally(wrong, deps)).type, 'SignInRefused');
  assert.equal((await checkPassword(wrong, deps)).type, 'SignInRefused');
  assert.equal(await factors.prove('alice', { oneTimeCode: '000000' }), 'wrong one-time code');
  assert.match(await factors.prove('alice', { token: 'guess' }), /token/);
  // A right password forgives nothing: who has it gets no more guesses at the code.
  assert.deepEqual(await checkPassword({ user: 'alice', password: PASSWORD }, deps), { type: 'PasswordHeld' });
  const fifth = await checkProof('alice', { challenge: 'x', webauthnResponseJson: '{}' }, factors.deps);
  assert.ok(fifth.type === 'ProofRefused' && fifth.lockedUntilMs === factors.nowMs + 30 * 60_000);
  assert.equal(await factors.prove('alice', { oneTimeCode: code() }), 'locked after too many failures');
  const right = { user: 'alice', password: PASSWORD };
  assert.deepEqual(await checkPassword(right, deps), {
    type: 'SignInRefused',
    reason: 'locked after too many failures',
  });
  factors.nowMs += 30 * 60_000;
  assert.equal(await factors.prove('alice', { oneTimeCode: code() }), 'otp');
});

test('many guesses at once get no more than five', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { code } = await factors.addCodes('alice');
  factors.nextStep();
  const right = code();
  const wrong = right === '000000' ? '000001' : '000000';
  const outcomes = await Promise.all(Array.from({ length: 12 }, () => factors.prove('alice', { oneTimeCode: wrong })));
  assert.equal(outcomes.filter((each) => each === 'wrong one-time code').length, 5);
  assert.equal(await factors.prove('alice', { oneTimeCode: right }), 'locked after too many failures');
});

test('passwords alone do not lock out who signs in elsewhere, and an empty proof counts nothing', async () => {
  await using factors = new Factors();
  const { code } = await factors.addCodes('carol', 'phone', false);
  const deps = { ...factors.deps, passwords: factors.passwords };
  for (let guess = 0; guess < 6; guess += 1) {
    const refused = await checkPassword({ user: 'carol', password: `guess ${guess}` }, deps);
    assert.deepEqual(refused, { type: 'SignInRefused', reason: 'unknown user' });
    assert.equal(await factors.prove('carol', {}), 'no second factor was shown');
  }
  factors.nextStep();
  assert.equal(await factors.prove('carol', { oneTimeCode: code() }), 'otp');
});

test('what the cluster does not take proves nothing', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { code } = await factors.addCodes('alice');
  const { authenticator } = await factors.addPasskey('alice');
  factors.nextStep();
  const onlyPasskeys = { ...factors.deps, kinds: ['webauthn'] } as const;
  assert.deepEqual(await factorsOf('alice', onlyPasskeys), { oneTimeCode: false, passkeys: 1 });
  assert.match(await factors.prove('alice', { oneTimeCode: code() }, onlyPasskeys), /takes no one-time codes/);
  const { challenge, optionsJson } = await factors.begin('alice');
  const proof = { challenge, webauthnResponseJson: authenticator.get(optionsJson) };
  assert.match(await factors.prove('alice', proof, { ...factors.deps, kinds: ['otp'] }), /takes no passkeys/);
  await assert.rejects(beginPasskeyChallenge({ ...factors.deps, kinds: ['otp'] }), { code: 'PASSKEYS_UNAVAILABLE' });
  await assert.rejects(beginPasskeyChallenge({ ...factors.deps, relyingParty: undefined }), {
    code: 'PASSKEYS_UNAVAILABLE',
  });
});

test('open challenges of a person are bounded: the oldest go', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { authenticator } = await factors.addPasskey('alice');
  const begun = [];
  for (let count = 0; count < 17; count += 1) begun.push(await factors.begin('alice'));
  const answers = begun.map(({ challenge, optionsJson }) => ({
    challenge,
    webauthnResponseJson: authenticator.get(optionsJson),
  }));
  assert.equal(await factors.prove('alice', answers[0] ?? {}), 'unknown, used or old challenge');
  assert.equal(await factors.prove('alice', answers[16] ?? {}), 'webauthn');
});

test('what an earlier version stored is read, and goes on as a device', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { code } = await factors.addCodes('alice');
  const stored = (await readCredentials(factors.store, 'alice'))?.credentials;
  const [device] = stored?.oneTimeCodes ?? [];
  assert.ok(stored?.passwordHash !== undefined && device !== undefined);
  await factors.store.put(
    '/local_user/alice',
    { passwordHash: stored.passwordHash, oneTimeSecret: device.secret, lastStep: device.lastStep, attempts: [] },
    { expect: 'any' },
  );
  assert.equal(await factors.prove('alice', { oneTimeCode: code() }), 'wrong one-time code', 'its last step counts');
  factors.nextStep();
  const attempt = { user: 'alice', password: PASSWORD, oneTimeCode: code(), secondFactorRequired: true };
  const deps = { ...factors.deps, passwords: factors.passwords };
  assert.deepEqual(await signInLocally(attempt, deps), { type: 'SignedIn', mfa: 'otp' });
  const after = (await readCredentials(factors.store, 'alice'))?.credentials;
  assert.deepEqual(
    after?.oneTimeCodes.map(({ id, name }) => [id, name]),
    [['otp', 'otp']],
  );
});

test('nothing is printed: the library warns only when it asks the runtime for more', async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error): void => void warnings.push(warning);
  process.on('warning', listen);
  await using factors = new Factors();
  await factors.person('alice');
  const { authenticator } = await factors.addPasskey('alice');
  const { challenge, optionsJson } = await factors.begin('alice');
  await factors.prove('alice', { challenge, webauthnResponseJson: authenticator.get(optionsJson) });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  assert.deepEqual(
    warnings.filter(({ message }) => !message.includes('SQLite')),
    [],
  );
});

function first<T>(items: readonly T[]): T {
  const [item] = items;
  assert.ok(item !== undefined);
  return item;
}
