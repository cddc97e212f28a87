import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import type { Client } from '@connectrpc/connect';
import { Secret, TOTP } from 'otpauth';
import { SoftwareAuthenticator } from '../../../test/kit/authenticator.ts';
import { PutResourceRequest_Mode, type AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { TrustedAuthorities } from '../../pki/trust.ts';
import { verifyUserCertificate } from '../../pki/verify.ts';
import { codeOf, derOf, newKeys, TestAuth, type TestHost, type TestUser } from './auth.fixture.ts';

/** Second factors through the API of a real service: invitations, devices, sessions that need one, and what must not get by. */

const ORIGIN = 'https://access.example.com:3080';
const route = { service: 'orders', protocol: 'postgres', databaseUser: 'reader', databaseName: 'shop' };

let auth: TestAuth;
let agent: TestHost;
let proxy: TestHost;
let users: TrustedAuthorities;
let count = 0;

before(async () => {
  auth = await TestAuth.start();
  agent = await auth.join('database');
  proxy = await auth.join('proxy');
  const { certificates } = await auth.admin.client.exportAuthority({ type: 'user' });
  users = new TrustedAuthorities('user', 'test', certificates);
  await put({
    kind: 'role',
    version: 'v8',
    metadata: { name: 'careful' },
    spec: {
      options: { require_session_mfa: true },
      allow: { db_labels: { env: 'prod' }, db_users: ['reader'], db_names: ['*'] },
    },
  });
});
beforeEach(announce);
after(() => auth.stop());

// Sign-ins and codes move the clock, which ends presence.
async function announce(): Promise<void> {
  await auth.serve(agent, [
    { name: 'orders', labels: { env: 'prod' } },
    { name: 'play', labels: { env: 'dev' } },
  ]);
  const { hostId } = proxy;
  await proxy.connection.client.heartbeat({
    resources: [
      JSON.stringify({
        kind: 'proxy_server',
        version: 'v2',
        metadata: { name: hostId },
        spec: { host_id: hostId, host_name: 'proxy', public_addr: 'access.example.com:3080' },
      }),
    ],
  });
}

async function put(resource: object): Promise<void> {
  const mode = PutResourceRequest_Mode.UPSERT;
  await auth.admin.client.putResource({ json: JSON.stringify(resource), mode });
}

type Person = Client<typeof AuthService>;

async function person(roles: readonly string[]): Promise<{ readonly user: TestUser; readonly client: Person }> {
  const traits = { db_users: ['reader'], db_names: ['*'] };
  const user = await auth.addUser(`person-${(count += 1)}`, { roles, traits });
  return { user, client: auth.connect(await auth.signIn(user)).client };
}

/** A code that was not used yet. */
async function nextCode(user: TestUser): Promise<string> {
  auth.clock.offsetMs += 30_000;
  await announce();
  return auth.code(user);
}

async function addPasskey(client: Person, user: TestUser): Promise<SoftwareAuthenticator> {
  const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
  const proof = { oneTimeCode: await nextCode(user) };
  const begun = await client.beginMfaAdd({ kind: 'webauthn', name: 'laptop', proof });
  const webauthnResponseJson = authenticator.create(begun.webauthnOptionsJson);
  await client.finishMfaAdd({ addition: begun.addition, webauthnResponseJson });
  return authenticator;
}

test('an invitation is accepted with a passkey alone; the token is good once', async () => {
  const json = JSON.stringify({ kind: 'user', version: 'v2', metadata: { name: 'key' }, spec: { roles: ['access'] } });
  const { inviteToken: token } = await auth.admin.client.addUser({ json });
  const begun = await auth.anonymous.client.startInvite({ token });
  assert.deepEqual(begun.secondFactors, ['otp', 'webauthn']);
  const authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
  const answer = { token, password: 'correct horse key', webauthnDeviceName: 'laptop' };
  assert.equal(await codeOf(auth.anonymous.client.acceptInvite(answer)), 'SECOND_FACTOR_MISSING');
  const evil = authenticator.create(begun.webauthnOptionsJson, { origin: 'https://evil.example' });
  assert.equal(
    await codeOf(auth.anonymous.client.acceptInvite({ ...answer, webauthnResponseJson: evil })),
    'PASSKEY_REFUSED',
  );
  const again = await auth.anonymous.client.startInvite({ token });
  const good = { ...answer, webauthnResponseJson: authenticator.create(again.webauthnOptionsJson) };
  const both = await Promise.all([1, 2].map(() => codeOf(auth.anonymous.client.acceptInvite(good))));
  assert.deepEqual(both.toSorted(), ['INVITE_INVALID', 'OK']);
  const added = (await auth.events('T1006I')).at(-1);
  assert.deepEqual([added?.['mfa_device_name'], added?.['mfa_device_type']], ['laptop', 'WebAuthn']);
  const signIn = { user: 'key', password: answer.password, oneTimeCode: '', publicKey: newKeys().publicKey };
  assert.equal(await codeOf(auth.anonymous.client.signIn(signIn)), 'SIGN_IN_REFUSED', 'no password alone');
});

test('an invitation that is accepted in a browser signs the person in', async () => {
  const json = JSON.stringify({ kind: 'user', version: 'v2', metadata: { name: 'web' }, spec: { roles: ['access'] } });
  const { inviteToken: token } = await auth.admin.client.addUser({ json });
  const headers = { 'tessera-web': '1', 'tessera-web-origin': ORIGIN, 'tessera-client-address': '192.0.2.7' };
  const begun = await proxy.connection.client.startInvite({ token }, { headers });
  const webauthnResponseJson = new SoftwareAuthenticator({ origin: ORIGIN }).create(begun.webauthnOptionsJson);
  const answer = { token, password: 'correct horse web', webauthnResponseJson };
  let session = '';
  const onHeader = (got: Headers): void => void (session = got.get('tessera-set-session') ?? '');
  await proxy.connection.client.acceptInvite(answer, { headers, onHeader });
  const cookie = { ...headers, 'tessera-web-session': session.split(';')[0] ?? '' };
  const { devices } = await proxy.connection.client.listMfaDevices({}, { headers: cookie });
  assert.deepEqual(
    devices.map(({ name, passwordless }) => [name, passwordless]),
    [['passkey', true]],
  );
  const [signedIn] = (await auth.events('T1000I')).filter(({ user }) => user === 'web');
  assert.deepEqual([signedIn?.['with_mfa'], signedIn?.['addr.remote']], ['webauthn', '192.0.2.7']);
  await auth.admin.client.resetUser({ user: 'web' });
  assert.equal(await codeOf(proxy.connection.client.listMfaDevices({}, { headers: cookie })), 'NOT_SIGNED_IN');
});

test('a device is added and removed with a factor that is there already, and with nothing less', async () => {
  const { user, client } = await person(['access']);
  assert.equal(await codeOf(client.beginMfaAdd({ kind: 'otp', name: 'x' })), 'SECOND_FACTOR_MISSING');
  const wrong = { kind: 'otp', name: 'x', proof: { oneTimeCode: '000000' } };
  assert.equal(await codeOf(client.beginMfaAdd(wrong)), 'SECOND_FACTOR_REFUSED');
  const authenticator = await addPasskey(client, user);
  const { devices } = await client.listMfaDevices({});
  assert.deepEqual(
    devices.map(({ name, kind, passwordless }) => [name, kind, passwordless]),
    [
      ['otp', 'otp', false],
      ['laptop', 'webauthn', true],
    ],
  );
  const [code, laptop] = devices;
  assert.ok(code !== undefined && laptop !== undefined && code.lastUsed !== '' && code.added !== '');
  const { challenge, oneTimeCode, webauthnOptionsJson } = await client.beginMfaChallenge({});
  assert.equal(oneTimeCode, true);
  assert.equal(await codeOf(client.removeMfaDevice({ id: code.id })), 'SECOND_FACTOR_MISSING');
  const proof = { challenge, webauthnResponseJson: authenticator.get(webauthnOptionsJson) };
  await client.removeMfaDevice({ id: code.id, proof });
  assert.equal(await codeOf(client.removeMfaDevice({ id: laptop.id, proof })), 'LAST_SECOND_FACTOR');
  assert.equal(await codeOf(client.beginMfaAdd({ kind: 'otp', name: '', proof })), 'SECOND_FACTOR_REFUSED', 'replayed');
  const [removed] = (await auth.events('T1007I')).slice(-1);
  assert.deepEqual([removed?.['user'], removed?.['mfa_device_name']], [user.name, 'otp']);
  const [failed] = (await auth.events('T1007W')).slice(-1);
  assert.deepEqual(
    [failed?.['reason'], failed?.['error'], failed?.['user']],
    ['add a second factor', 'unknown, used or old challenge', user.name],
  );
});

test('nobody touches the devices of another person', async () => {
  const [one, other] = [await person(['access']), await person(['access'])];
  const [device] = (await one.client.listMfaDevices({})).devices;
  const removal = { id: device?.id ?? '', proof: { oneTimeCode: await nextCode(other.user) } };
  assert.equal(await codeOf(other.client.removeMfaDevice(removal)), 'NOT_FOUND');
  const begun = await one.client.beginMfaAdd({
    kind: 'otp',
    name: 'x',
    proof: { oneTimeCode: await nextCode(one.user) },
  });
  const secret = Secret.fromBase32(new URL(begun.oneTimeCodeUri).searchParams.get('secret') ?? '');
  const oneTimeCode = new TOTP({ secret }).generate({ timestamp: auth.clock.now() });
  const finish = { addition: begun.addition, oneTimeCode };
  assert.equal(await codeOf(other.client.finishMfaAdd(finish)), 'ADDITION_UNKNOWN');
  assert.equal(await codeOf(one.client.finishMfaAdd(finish)), 'OK');
});

test('wrong codes count together wherever they are given, and lock sign-in', async () => {
  const { user, client } = await person(['careful']);
  const [device] = (await client.listMfaDevices({})).devices;
  const proof = { oneTimeCode: '000000' };
  const publicKey = newKeys().publicKey;
  const guesses = [
    () => client.beginMfaAdd({ kind: 'otp', name: 'x', proof }),
    () => client.issueUserCertificate({ publicKey, route, mfa: proof }),
    () => auth.anonymous.client.signIn({ user: user.name, password: user.password, ...proof, publicKey }),
    () => client.issueUserCertificate({ publicKey, route, mfa: { token: 'guess' } }),
    () => client.beginMfaAdd({ kind: 'otp', name: 'x', proof: { webauthnResponseJson: '{}', challenge: 'x' } }),
  ];
  for (const guess of guesses) assert.match(await codeOf(guess()), /^(?:SECOND_FACTOR|SIGN_IN)_REFUSED$/);
  auth.clock.offsetMs += 30_000;
  const right = { oneTimeCode: auth.code(user) };
  assert.equal(await codeOf(client.beginMfaAdd({ kind: 'otp', name: 'x', proof: right })), 'SECOND_FACTOR_REFUSED');
  assert.equal((await auth.events('TUL00W')).at(-1)?.['name'], user.name);
  assert.equal(device?.kind, 'otp');
  await assert.rejects(auth.signIn(user), /sign-in refused/);
});

test('a database that needs a second factor for each session opens with one, for minutes; others do not ask', async () => {
  const { user, client } = await person(['careful', 'access']);
  const { publicKey } = newKeys();
  assert.equal(await codeOf(client.issueUserCertificate({ publicKey, route })), 'SESSION_MFA_REQUIRED');
  const open = { service: 'orders', protocol: 'postgres' };
  assert.equal(await codeOf(client.issueUserCertificate({ publicKey, route: open })), 'SESSION_MFA_REQUIRED');
  const denied = { ...route, databaseUser: 'admin' };
  const oneTimeCode = await nextCode(user);
  assert.equal(
    await codeOf(client.issueUserCertificate({ publicKey, route: denied, mfa: { oneTimeCode } })),
    'DATABASE_DENIED',
  );
  // The code was not used up by what was refused anyway.
  const mfa = { oneTimeCode };
  const { certificate } = await client.issueUserCertificate({ publicKey, route, mfa });
  const { identity, notAfterMs } = verifyUserCertificate(derOf(certificate), {
    authorities: users,
    nowMs: auth.clock.now(),
  });
  assert.equal(identity.sessionMfa, 'otp');
  assert.ok(notAfterMs <= auth.clock.now() + 5 * 60_000, 'at most session_mfa_ttl');
  assert.ok((identity.previousExpiresMs ?? 0) > auth.clock.now() + 3_600_000);
  assert.equal(await codeOf(client.issueUserCertificate({ publicKey, route, mfa })), 'SECOND_FACTOR_REFUSED', 'again');
  const play = await client.issueUserCertificate({ publicKey, route: { ...route, service: 'play' } });
  const plain = verifyUserCertificate(derOf(play.certificate), { authorities: users, nowMs: auth.clock.now() });
  assert.equal(plain.identity.sessionMfa, undefined);
  assert.ok(new X509Certificate(play.certificate).validToDate.getTime() > auth.clock.now() + 3_600_000);
});

test('a passkey opens such a session too, and each challenge one only', async () => {
  const { user, client } = await person(['careful']);
  const authenticator = await addPasskey(client, user);
  const { publicKey } = newKeys();
  const { challenge, webauthnOptionsJson } = await client.beginMfaChallenge({});
  const mfa = { challenge, webauthnResponseJson: authenticator.get(webauthnOptionsJson) };
  const { certificate } = await client.issueUserCertificate({ publicKey, route, mfa });
  const { identity } = verifyUserCertificate(derOf(certificate), { authorities: users, nowMs: auth.clock.now() });
  assert.equal(identity.sessionMfa, 'webauthn');
  assert.equal(await codeOf(client.issueUserCertificate({ publicKey, route, mfa })), 'SECOND_FACTOR_REFUSED');
});

test('a reset takes every factor, and what was begun', async () => {
  const { user, client } = await person(['access']);
  const authenticator = await addPasskey(client, user);
  const { challenge, webauthnOptionsJson } = await client.beginMfaChallenge({});
  const { resetToken: token } = await auth.admin.client.resetUser({ user: user.name });
  assert.deepEqual((await client.listMfaDevices({})).devices, []);
  const proof = { challenge, webauthnResponseJson: authenticator.get(webauthnOptionsJson) };
  assert.equal(await codeOf(client.beginMfaAdd({ kind: 'otp', name: 'x', proof })), 'NO_PASSWORD_YET');
  const renewed = await auth.accept(user.name, token);
  const fresh = auth.connect(await auth.signIn(renewed)).client;
  assert.deepEqual(
    (await fresh.listMfaDevices({})).devices.map(({ name }) => name),
    ['otp'],
  );
});

test('an unknown kind, and one that the cluster does not take, are refused in words', async () => {
  const { user, client } = await person(['access']);
  const proof = { oneTimeCode: await nextCode(user) };
  await assert.rejects(client.beginMfaAdd({ kind: 'sms', name: 'x', proof }), /expected otp or webauthn/);
});
