import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SoftwareAuthenticator } from '../../../test/kit/authenticator.ts';
import { readCredentials, removeCredentials } from './credentials.ts';
import { beginAddition, finishAddition, listDevices, MAX_SECOND_FACTORS, removeDevice } from './devices.ts';
import { Factors, ORIGIN } from './factors.fixture.ts';
import { ownerOfPasskey } from './passkey-index.ts';

const aPasskey = { kind: 'webauthn', name: '', local: true, clusterName: 'test' } as const;
const aCode = { ...aPasskey, kind: 'otp' } as const;

test('devices have names: wished ones, or free ones; listed in order', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  await factors.addCodes('alice');
  factors.nextStep();
  await factors.addCodes('alice', '  my phone ');
  factors.nextStep();
  await factors.addCodes('alice');
  factors.nextStep();
  await factors.addPasskey('alice');
  const devices = await listDevices('alice', factors.deps);
  assert.deepEqual(
    devices.map(({ name, kind }) => [name, kind]),
    [
      ['otp', 'otp'],
      ['my phone', 'otp'],
      ['otp-2', 'otp'],
      ['passkey', 'webauthn'],
    ],
  );
  for (const name of ['my phone', 'x'.repeat(65), 'tab\there', 'right\u202eleft'])
    await assert.rejects(beginAddition({ ...aCode, user: 'alice', name }, factors.deps), { name: 'ConfigError' });
});

test('no more than maxSecondFactors, also when several are added at once', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  for (let count = 1; count < MAX_SECOND_FACTORS; count += 1) await factors.addCodes('alice');
  const outcomes = await Promise.allSettled([factors.addCodes('alice', 'a'), factors.addPasskey('alice')]);
  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  await assert.rejects(factors.addCodes('alice'), { code: 'SECOND_FACTORS_FULL' });
});

test('an addition is good once, for its person, and a wrong code leaves it good', async () => {
  await using factors = new Factors();
  for (const user of ['alice', 'bob']) await factors.person(user);
  const { addition, optionsJson } = await beginAddition({ ...aPasskey, user: 'alice' }, factors.deps);
  const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
  const answer = { addition, oneTimeCode: '', webauthnResponseJson: authenticator.create(optionsJson) };
  await assert.rejects(finishAddition({ ...answer, user: 'bob' }, factors.deps), { code: 'ADDITION_UNKNOWN' });
  await finishAddition({ ...answer, user: 'alice' }, factors.deps);
  await assert.rejects(finishAddition({ ...answer, user: 'alice' }, factors.deps), { code: 'ADDITION_UNKNOWN' });
  const codes = await beginAddition({ ...aCode, user: 'alice' }, factors.deps);
  for (let attempt = 0; attempt < 2; attempt += 1)
    await assert.rejects(
      finishAddition(
        { user: 'alice', addition: codes.addition, oneTimeCode: '', webauthnResponseJson: '' },
        factors.deps,
      ),
      { code: 'ONE_TIME_CODE_WRONG' },
    );
});

const registrations = [
  { name: 'made on another site', by: { origin: 'https://evil.example' } },
  { name: 'made for another domain', by: { rpId: 'evil.example' } },
  { name: 'of another challenge', by: { challenge: 'AAAA' } },
  { name: 'that is an assertion', by: { type: 'webauthn.get' } },
  { name: 'made in a frame', by: { crossOrigin: true } },
  {
    name: 'with certificates that nobody asked for',
    by: { attestation: { fmt: 'packed', attStmt: new Map([['x5c', [Buffer.alloc(4)]]]) } },
  },
  { name: 'with a statement of a TPM', by: { attestation: { fmt: 'tpm', attStmt: new Map<string, string>() } } },
];
for (const { name, by } of registrations) {
  test(`a new passkey is refused: ${name}`, async () => {
    await using factors = new Factors();
    await factors.person('alice');
    const { addition, optionsJson } = await beginAddition({ ...aPasskey, user: 'alice' }, factors.deps);
    const webauthnResponseJson = new SoftwareAuthenticator({ origin: ORIGIN }).create(optionsJson, by);
    const answer = { user: 'alice', addition, oneTimeCode: '', webauthnResponseJson };
    await assert.rejects(finishAddition(answer, factors.deps), { code: 'PASSKEY_REFUSED' });
    assert.deepEqual(await listDevices('alice', factors.deps), []);
  });
}

for (const garbage of ['', 'null', '[]', '{"id":"a"}', `{"id":"${'a'.repeat(40_000)}"}`, '\\u0000']) {
  test(`what is no registration is refused: ${garbage.slice(0, 20)}`, async () => {
    await using factors = new Factors();
    await factors.person('alice');
    const { addition } = await beginAddition({ ...aPasskey, user: 'alice' }, factors.deps);
    const answer = { user: 'alice', addition, oneTimeCode: '', webauthnResponseJson: garbage };
    await assert.rejects(finishAddition(answer, factors.deps), { code: 'PASSKEY_REFUSED' });
  });
}

test('a passkey belongs to one person, and an authenticator is asked for one passkey only', async () => {
  await using factors = new Factors();
  for (const user of ['alice', 'bob']) await factors.person(user);
  const { authenticator, device } = await factors.addPasskey('alice');
  const again = await beginAddition({ ...aPasskey, user: 'alice' }, factors.deps);
  assert.throws(() => authenticator.create(again.optionsJson), /registered already/);
  const credentialId = authenticator.passkeys[0]?.id ?? '';
  const { addition, optionsJson } = await beginAddition({ ...aPasskey, user: 'bob' }, factors.deps);
  const webauthnResponseJson = new SoftwareAuthenticator({ origin: ORIGIN }).create(optionsJson, { credentialId });
  const answer = { user: 'bob', addition, oneTimeCode: '', webauthnResponseJson };
  await assert.rejects(finishAddition(answer, factors.deps), { code: 'PASSKEY_KNOWN' });
  assert.equal(await ownerOfPasskey(factors.store, credentialId), 'alice');
  await removeDevice({ user: 'alice', id: device.id, keepOne: false }, factors.deps);
  assert.equal(await ownerOfPasskey(factors.store, credentialId), undefined);
});

test('options ask for no attestation, for three algorithms, and name no person but to the authenticator', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { optionsJson } = await beginAddition({ ...aPasskey, user: 'alice' }, factors.deps);
  const options = JSON.parse(optionsJson);
  assert.equal(options.attestation, 'none');
  assert.deepEqual(
    options.pubKeyCredParams.map(({ alg }: { alg: number }) => alg),
    [-7, -8, -257],
  );
  assert.equal(options.rp.id, 'access.example.com');
  assert.equal(Buffer.from(options.user.id, 'base64url').length, 32);
});

test('the last one stays where one is demanded, counting only what the cluster takes', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { device } = await factors.addCodes('alice');
  const removal = { user: 'alice', id: device.id, keepOne: true };
  await assert.rejects(removeDevice(removal, factors.deps), { code: 'LAST_SECOND_FACTOR' });
  const passkey = await factors.addPasskey('alice');
  const onlyCodes = { ...factors.deps, kinds: ['otp'] } as const;
  await assert.rejects(removeDevice(removal, onlyCodes), { code: 'LAST_SECOND_FACTOR' });
  const both = await Promise.allSettled(
    [device.id, passkey.device.id].map((id) => removeDevice({ ...removal, id }, factors.deps)),
  );
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'], 'both at once');
  await assert.rejects(removeDevice({ ...removal, id: 'x' }, factors.deps), { code: 'NOT_FOUND' });
  const [left] = await listDevices('alice', factors.deps);
  await removeDevice({ user: 'alice', id: left?.id ?? '', keepOne: false }, factors.deps);
  assert.deepEqual(await listDevices('alice', factors.deps), []);
});

test('a reset takes everything, what was begun as well, and leaves no way in by an old session', async () => {
  await using factors = new Factors();
  await factors.person('alice');
  const { authenticator } = await factors.addPasskey('alice');
  const { addition, optionsJson } = await beginAddition({ ...aPasskey, user: 'alice' }, factors.deps);
  const webauthnResponseJson = new SoftwareAuthenticator({ origin: ORIGIN }).create(optionsJson);
  await removeCredentials(factors.store, 'alice');
  assert.equal(await readCredentials(factors.store, 'alice'), undefined);
  assert.equal(await ownerOfPasskey(factors.store, authenticator.passkeys[0]?.id ?? ''), undefined);
  const answer = { user: 'alice', addition, oneTimeCode: '', webauthnResponseJson };
  await assert.rejects(finishAddition(answer, factors.deps), { code: 'ADDITION_UNKNOWN' });
  await assert.rejects(beginAddition({ ...aCode, user: 'alice' }, factors.deps), { code: 'NO_PASSWORD_YET' });
});
