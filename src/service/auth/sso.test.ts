import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { GetSsoTestResponse_State as State, PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { OIDC_CLIENT, OidcBrowser, startOidc, type OidcServer } from '../../../test/servers/oidc.ts';
import { GithubStandIn } from '../../sso/github/stand-in.fixture.ts';
import { codeOf, TestAuth, type TestHost } from './auth.fixture.ts';
import { TestClient } from './client-login.fixture.ts';
import { announce, ORIGIN, TestBrowser } from './web.fixture.ts';

/** Sign-in at a provider, from the browser's first click to the person's session: with a real OpenID provider, and GitHub's stand-in. */

const CALLBACK = `${ORIGIN}/v1/webapi/oidc/callback`;
const PASSWORD = 'pass';
const HOUR_MS = 3_600_000;
const ADDRESS = '198.51.100.7';
let auth: TestAuth;
let proxy: TestHost;
let idp: OidcServer;
let other: OidcServer;

before(async () => {
  const people = {
    alice: { password: PASSWORD, groups: ['dba', 'db-shop'] },
    mallory: { password: PASSWORD, groups: ['interns'] },
  };
  [auth, idp, other] = await Promise.all([
    TestAuth.start(),
    startOidc({ redirectUris: [CALLBACK], people }),
    startOidc({ redirectUris: [callbackOf('branch')], people }),
  ]);
  proxy = await auth.join('proxy');
  await put({
    kind: 'cluster_auth_preference',
    version: 'v2',
    metadata: { name: 'cluster-auth-preference' },
    spec: { type: 'local', second_factors: ['otp', 'webauthn'], default_session_ttl: '1h' },
  });
  await put(connector('corp', idp));
  await put(connector('branch', other, { redirect_url: callbackOf('branch') }));
});
beforeEach(async () => {
  await announce(proxy);
  idp.people.set('alice', { password: PASSWORD, groups: ['dba', 'db-shop'] });
});
after(async () => {
  await Promise.all([auth.stop(), idp.close(), other.close()]);
});

/** Two providers have an address each. */
function callbackOf(name: string): string {
  return name === 'corp' ? CALLBACK : `${CALLBACK}/${name}`;
}

function connector(name: string, server: OidcServer, more: object = {}): object {
  return {
    kind: 'oidc',
    version: 'v3',
    metadata: { name },
    spec: {
      issuer_url: server.issuer,
      client_id: OIDC_CLIENT.id,
      client_secret: OIDC_CLIENT.secret,
      redirect_url: CALLBACK,
      scope: ['email', 'profile', 'groups'],
      username_claim: 'preferred_username',
      claims_to_roles: [
        { claim: 'groups', value: 'dba', roles: ['access'] },
        { claim: 'groups', value: 'auditors', roles: ['auditor'] },
      ],
      ...more,
    },
  };
}

async function put(resource: object, mode: PutResourceRequest_Mode = PutResourceRequest_Mode.UPSERT) {
  const { resource: stored } = await auth.admin.client.putResource({ json: JSON.stringify(resource), mode });
  return JSON.parse(stored?.json ?? '{}') as { spec: Record<string, unknown>; metadata: Record<string, string> };
}

async function userRecord(name: string) {
  const { resource } = await auth.admin.client.getResource({ kind: 'user', name });
  return JSON.parse(resource?.json ?? '{}') as {
    metadata: Record<string, string>;
    spec: { roles: string[]; traits: Record<string, string[]>; created_by: Record<string, unknown>; status?: object };
  };
}

async function removeUser(name: string): Promise<void> {
  await auth.admin.client.deleteResource({ kind: 'user', name }).catch(() => {});
}

/** One browser at its provider: where it was sent, its binding, and what it brings back. */
async function atProvider(
  of: {
    readonly connector?: string;
    readonly login?: string;
    readonly returnTo?: string;
    readonly cookie?: string;
  } = {},
) {
  const browser = new TestBrowser(proxy, ADDRESS);
  browser.cookie = of.cookie ?? '';
  let binding = '';
  const { redirectUrl } = await proxy.connection.client.startSso(
    { connector: of.connector ?? 'corp', returnTo: of.returnTo ?? '/web/databases' },
    { headers: browser.headers(), onHeader: (headers) => (binding = headers.get('tessera-set-binding') ?? '') },
  );
  const back = await new OidcBrowser().signIn(
    redirectUrl,
    { login: of.login ?? 'alice', password: PASSWORD },
    callbackOf(of.connector ?? 'corp'),
  );
  return { browser, binding, parameters: back.search.slice(1), redirectUrl };
}

type Brought = { readonly parameters: string; readonly binding: string };

function finish({ parameters, binding }: Brought, more: object = {}) {
  return proxy.connection.client.finishSso({
    kind: 'oidc',
    connector: '',
    parameters,
    binding,
    clientAddress: ADDRESS,
    origin: ORIGIN,
    ...more,
  });
}

async function signIn(of: Parameters<typeof atProvider>[0] = {}) {
  const brought = await atProvider(of);
  const answer = await finish(brought);
  brought.browser.cookie = answer.sessionToken;
  return { ...brought, answer };
}

async function lastRefusal(): Promise<Record<string, unknown>> {
  return (await auth.events('T1001W')).at(-1) ?? {};
}

test('a person signs in: session, record with roles and traits, and the audit log knows how', async () => {
  const { browser, answer } = await signIn({ returnTo: '/web/audit?user=x' });
  assert.equal(answer.redirectUrl, '/web/audit?user=x');
  assert.ok(answer.sessionSeconds > 3500);
  const me = await browser.myself();
  assert.deepEqual([me.user, me.userKind, me.roles], ['alice', 'sso', ['access']]);
  assert.deepEqual((JSON.parse(me.traitsJson) as Record<string, unknown>)['groups'], ['dba', 'db-shop']);
  const { metadata, spec } = await userRecord('alice');
  assert.deepEqual(spec.created_by['connector'], { type: 'oidc', id: 'corp', identity: 'alice' });
  assert.ok(Math.abs(Date.parse(metadata['expires'] ?? '') - auth.clock.now() - HOUR_MS) < 60_000);
  const event = (await auth.events('T1001I')).at(-1) ?? {};
  assert.deepEqual(
    [event['user'], event['method'], event['connector'], event['addr.remote']],
    ['alice', 'oidc', 'corp', ADDRESS],
  );
  const attributes = event['attributes'] as Record<string, unknown>;
  assert.deepEqual([attributes['subject'], attributes['groups']], ['alice', ['dba', 'db-shop']]);
});

test('roles and traits are those of the last sign-in; earlier sessions have them at once', async () => {
  const { browser } = await signIn();
  const since = (await userRecord('alice')).spec.created_by['time'];
  idp.people.set('alice', { password: PASSWORD, groups: ['auditors'] });
  await signIn();
  const { spec } = await userRecord('alice');
  assert.deepEqual([spec.roles, spec.traits['groups'], spec.created_by['time']], [['auditor'], ['auditors'], since]);
  assert.deepEqual((await browser.myself()).roles, ['auditor']);
});

test('a person removed at the provider has no next sign-in, and none of the groups that counted either', async () => {
  await signIn();
  idp.people.delete('alice');
  await assert.rejects(atProvider(), /Wrong name or password/);
  idp.people.set('alice', { password: PASSWORD, groups: [] });
  assert.equal(await codeOf(atProvider().then(finish)), 'SSO_NO_ROLES');
  const { user, error, connector: named } = await lastRefusal();
  assert.deepEqual([user, named], ['alice', 'corp']);
  assert.match(String(error), /SSO_NO_ROLES/);
});

test('who has no group that counts is refused, and leaves no record', async () => {
  assert.equal(await codeOf(atProvider({ login: 'mallory' }).then(finish)), 'SSO_NO_ROLES');
  await assert.rejects(userRecord('mallory'), /does not exist/);
});

test('a record ends with the last certificate', async () => {
  await removeUser('alice');
  const { browser } = await signIn();
  auth.clock.offsetMs += HOUR_MS + 60_000;
  await announce(proxy);
  await assert.rejects(userRecord('alice'), /does not exist/);
  assert.equal(await codeOf(browser.myself()), 'NOT_SIGNED_IN');
});

test('an answer is good once: not again, and not for the request of another', async () => {
  const first = await atProvider();
  await finish(first);
  assert.equal(await codeOf(finish(first)), 'SSO_EXPIRED');
  const [one, two] = [await atProvider(), await atProvider()];
  const codeOfOne = new URLSearchParams(one.parameters).get('code') ?? '';
  const mixed = new URLSearchParams(two.parameters);
  mixed.set('code', codeOfOne);
  assert.equal(await codeOf(finish({ ...two, parameters: mixed.toString() })), 'SSO_ANSWER_REFUSED');
});

test('an answer in another browser is refused, and used up', async () => {
  const victim = await atProvider();
  const attacker = await atProvider();
  assert.equal(await codeOf(finish({ ...attacker, binding: victim.binding })), 'SSO_OTHER_BROWSER');
  assert.equal(await codeOf(finish({ ...attacker, binding: '' })), 'SSO_EXPIRED');
  assert.equal(await codeOf(finish({ ...(await atProvider()), binding: '' })), 'SSO_OTHER_BROWSER');
});

test('an answer with a wrong, missing or second state is refused', async () => {
  const { parameters, binding } = await atProvider();
  const changed = new URLSearchParams(parameters);
  changed.set('state', `r${'x'.repeat(43)}`);
  assert.equal(await codeOf(finish({ parameters: changed.toString(), binding })), 'SSO_EXPIRED');
  changed.delete('state');
  assert.equal(await codeOf(finish({ parameters: changed.toString(), binding })), 'SSO_EXPIRED');
  assert.equal(await codeOf(finish({ parameters: `${parameters}&state=x`, binding })), 'SSO_EXPIRED');
});

test('a sign-in that took too long is over', async () => {
  const brought = await atProvider();
  auth.clock.offsetMs += 10 * 60_000 + 1;
  await announce(proxy);
  assert.equal(await codeOf(finish(brought)), 'SSO_EXPIRED');
});

test("mix-up: one provider's answer does not count for the request at another", async () => {
  const honest = await atProvider({ connector: 'corp' });
  const asked = await atProvider({ connector: 'branch' });
  const mixed = new URLSearchParams(honest.parameters);
  mixed.set('state', new URLSearchParams(asked.parameters).get('state') ?? '');
  assert.equal(await codeOf(finish({ parameters: mixed.toString(), binding: asked.binding })), 'SSO_ANSWER_REFUSED');
  assert.match(String((await lastRefusal())['error']), /iss/);
});

test('mix-up: two providers never answer to one address, so the path tells whose answer it is', async () => {
  await assert.rejects(
    put(connector('evil', other, { redirect_url: [`${CALLBACK}/evil`, CALLBACK] })),
    /redirect_url: .* is connector corp's too.*end.* in \/v1\/webapi\/oidc\/callback\/evil/,
  );
  // The person began at `branch`, whose provider sent the browser on to `corp`'s with the same state.
  const lured = await atProvider({ connector: 'branch' });
  assert.equal(await codeOf(finish(lured, { connector: 'corp' })), 'SSO_OTHER_CONNECTOR');
});

test('a new sign-in at the provider ends the session that the browser had; the new one says what browser it is', async () => {
  await removeUser('alice');
  const first = await signIn();
  const old = first.browser.cookie;
  const second = await atProvider({ cookie: old });
  assert.equal((await first.browser.myself()).user, 'alice', 'not before the sign-in is complete');
  const answer = await finish(second, { userAgent: 'Fire\u202efox/1.0' });
  first.browser.cookie = old;
  assert.equal(await codeOf(first.browser.myself()), 'NOT_SIGNED_IN');
  second.browser.cookie = answer.sessionToken;
  assert.equal((await second.browser.myself()).user, 'alice');
  assert.equal((await auth.events('T1017I')).at(-1)?.['reason'], 'another sign-in in the same browser');
});

test('a first second factor is added right after signing in; a session that is older can not be made at home in', async () => {
  await removeUser('alice');
  const { browser } = await signIn();
  const begin = () => browser.call((client, options) => client.beginMfaAdd({ kind: 'otp', name: 'phone' }, options));
  assert.match((await begin()).oneTimeCodeUri, /^otpauth:/);
  auth.clock.offsetMs += 6 * 60_000;
  assert.equal(await codeOf(begin()), 'SIGN_IN_TOO_OLD');
});

test('answers that nobody asked for are limited before anything of them is read', async () => {
  const strict = await TestAuth.start({
    more: ['  limits:', '    anonymous_rate_per_minute: 5', '    anonymous_burst: 5'],
  });
  try {
    const door = await strict.join('proxy');
    const codes: string[] = [];
    for (let count = 0; count < 6; count += 1)
      codes.push(
        await codeOf(
          door.connection.client.finishSso({
            kind: 'saml',
            connector: 'nowhere',
            parameters: 'SAMLResponse=AAAA',
            clientAddress: '203.0.113.77',
          }),
        ),
      );
    assert.deepEqual(codes, [...Array.from({ length: 5 }, () => 'CONNECTOR_UNKNOWN'), 'ANONYMOUS_RATE']);
  } finally {
    await strict.stop();
  }
});

test("an answer at the address of another kind's callback is refused", async () => {
  assert.equal(await codeOf(finish(await atProvider(), { kind: 'github' })), 'SSO_OTHER_CONNECTOR');
  assert.equal(await codeOf(finish(await atProvider(), { connector: 'branch' })), 'SSO_OTHER_CONNECTOR');
});

test('the browser returns to a page of the web UI and nowhere else', async () => {
  for (const returnTo of [
    'https://evil.example.com/',
    '//evil.example.com',
    '/web/\\evil',
    '/web/%2e%2e/x',
    '/v1/webapi/x',
  ])
    assert.equal((await signIn({ returnTo })).answer.redirectUrl, '/web/', returnTo);
});

test('nobody takes the name of a local user', async () => {
  await removeUser('alice');
  const local = await auth.addUser('alice', { roles: ['access'] });
  assert.equal(await codeOf(atProvider().then(finish)), 'SSO_NAME_TAKEN');
  assert.match(String((await lastRefusal())['error']), /a local user's/);
  await auth.signIn(local);
  await announce(proxy);
  await removeUser('alice');
});

test('nobody takes the name of a person of another connector, or of another person at the same provider', async () => {
  await removeUser('alice');
  await signIn();
  assert.equal(await codeOf(atProvider({ connector: 'branch' }).then(finish)), 'SSO_NAME_TAKEN');
  assert.match(String((await lastRefusal())['error']), /connector oidc\/corp/);
  idp.people.set('evil', { password: PASSWORD, groups: ['dba'], more: { preferred_username: 'alice' } });
  assert.equal(await codeOf(atProvider({ login: 'evil' }).then(finish)), 'SSO_NAME_TAKEN');
  assert.match(String((await lastRefusal())['error']), /another person at the same provider/);
});

test("when a person's record has ended, the next owner of the name gets none of their devices", async () => {
  await removeUser('alice');
  const { browser } = await signIn();
  const list = (of: TestBrowser) => of.call((client, options) => client.listMfaDevices({}, options));
  const { addition, webauthnOptionsJson } = await browser.call((client, options) =>
    client.beginMfaAdd({ kind: 'webauthn', name: 'key' }, options),
  );
  const webauthnResponseJson = browser.authenticator.create(webauthnOptionsJson);
  await browser.call((client, options) => client.finishMfaAdd({ addition, webauthnResponseJson }, options));
  auth.clock.offsetMs += HOUR_MS + 60_000;
  await announce(proxy);
  const again = await signIn();
  assert.equal((await list(again.browser)).devices.length, 1, 'the same person keeps them');
  auth.clock.offsetMs += HOUR_MS + 60_000;
  await announce(proxy);
  await removeUser('alice');
  const next = await signIn({ connector: 'branch' });
  assert.equal((await list(next.browser)).devices.length, 0);
  await removeUser('alice');
});

test("a name stays its person's also while their record has ended, until an administrator frees it", async () => {
  await removeUser('alice');
  await signIn();
  auth.clock.offsetMs += HOUR_MS + 60_000;
  await announce(proxy);
  await assert.rejects(userRecord('alice'), /does not exist/);
  assert.equal(await codeOf(atProvider({ connector: 'branch' }).then(finish)), 'SSO_NAME_TAKEN');
  const json = JSON.stringify(connector('branch', other, { redirect_url: callbackOf('branch') }));
  const { testId, redirectUrl } = await auth.admin.client.startSsoTest({ json });
  const person = { login: 'alice', password: PASSWORD };
  const back = await new OidcBrowser().signIn(redirectUrl, person, callbackOf('branch'));
  await finish({ parameters: back.search.slice(1), binding: '' });
  assert.equal((await auth.admin.client.getSsoTest({ testId })).state, State.FAILED, 'a try-out says the same');
  await auth.admin.client.deleteResource({ kind: 'user', name: 'alice' });
  assert.equal(await codeOf(atProvider({ connector: 'branch' }).then(finish)), 'OK');
  await removeUser('alice');
});

test('nobody takes a name that differs from another person’s in case only, nor one of the cluster’s own', async () => {
  await removeUser('alice');
  await signIn();
  const evil = (name: string) => ({ password: PASSWORD, groups: ['dba'], more: { preferred_username: name } });
  other.people.set('evil', evil('ALICE'));
  const as = (connectorName: string) => codeOf(atProvider({ connector: connectorName, login: 'evil' }).then(finish));
  assert.equal(await as('branch'), 'SSO_NAME_TAKEN');
  auth.clock.offsetMs += HOUR_MS + 60_000;
  await announce(proxy);
  assert.equal(await as('branch'), 'SSO_NAME_TAKEN', 'nor after the record has ended');
  await auth.addUser('Local.Person', { roles: ['access'] });
  await announce(proxy);
  other.people.set('evil', evil('local.person'));
  assert.equal(await as('branch'), 'SSO_NAME_TAKEN');
  for (const name of ['admin', 'Admin', '11111111-1111-4111-8111-111111111111.database']) {
    other.people.set('evil', evil(name));
    assert.equal(await as('branch'), 'SSO_BAD_USERNAME', name);
  }
  await removeUser('alice');
});

test('a lock, and a status on the record, count at the provider too; the record does not end before the lock', async () => {
  await removeUser('alice');
  await signIn();
  const record = await userRecord('alice');
  await put({
    kind: 'user',
    version: 'v2',
    ...record,
    spec: { ...record.spec, status: { is_locked: true, locked_message: 'on leave' } },
  });
  assert.equal(await codeOf(atProvider().then(finish)), 'LOCKED');
  auth.clock.offsetMs += HOUR_MS + 60_000;
  await announce(proxy);
  assert.equal(await codeOf(atProvider().then(finish)), 'LOCKED');
  await removeUser('alice');
  const json = JSON.stringify({
    kind: 'lock',
    version: 'v2',
    metadata: { name: 'l1' },
    spec: { target: { user: 'alice' }, message: 'gone' },
  });
  await auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.CREATE });
  assert.equal(await codeOf(atProvider().then(finish)), 'LOCKED');
  await auth.admin.client.deleteResource({ kind: 'lock', name: 'l1' });
});

test('a connector shows no secret, keeps the one it has, and sends it nowhere else', async () => {
  const { client_secret: _secret, ...spec } = (connector('corp', idp) as { spec: Record<string, unknown> }).spec;
  const without = { kind: 'oidc', version: 'v3', metadata: { name: 'corp' }, spec };
  const stored = await put(without);
  assert.equal(stored.spec['client_secret'], undefined);
  const { resource } = await auth.admin.client.getResource({ kind: 'oidc', name: 'corp' });
  assert.doesNotMatch(resource?.json ?? '', /secret/);
  await removeUser('alice');
  await signIn();
  const moved = { ...without, spec: { ...spec, issuer_url: 'https://evil.example.com' } };
  await assert.rejects(put(moved), /client_secret: must be said again, as issuer_url changed/);
});

test('a connector that can not work is refused when it is written; its changes are audited', async () => {
  const rule = (more: object) => ({ claims_to_roles: [{ claim: 'groups', value: 'x', roles: ['access'], ...more }] });
  await assert.rejects(put(connector('bad', idp, rule({ roles: ['nobody'] }))), /role nobody does not exist/);
  await assert.rejects(put(connector('bad', idp, rule({ roles: ['db-$1'] }))), /asks for group 1/);
  await assert.rejects(
    put(connector('bad', idp, { issuer_url: 'http://id.example.com' })),
    /issuer_url: expected https/,
  );
  await put(connector('temporary', idp, rule({ value: '^x-(.*)$', roles: ['db-$1'] })), PutResourceRequest_Mode.CREATE);
  const clash = {
    kind: 'github',
    version: 'v3',
    metadata: { name: 'temporary' },
    spec: {
      client_id: 'x',
      client_secret: 'y',
      redirect_url: CALLBACK,
      teams_to_roles: [{ organization: 'a', team: 'b', roles: ['access'] }],
    },
  };
  await assert.rejects(put(clash), /is a connector's of kind oidc already/);
  await auth.admin.client.deleteResource({ kind: 'oidc', name: 'temporary' });
  const told = [...(await auth.events('T8100I')), ...(await auth.events('T8101I'))].filter(
    (event) => event['name'] === 'temporary',
  );
  assert.deepEqual(
    told.map((event) => [event['code'], event['user']]),
    [
      ['T8100I', 'admin'],
      ['T8101I', 'admin'],
    ],
  );
  assert.equal(await codeOf(atProvider({ connector: 'temporary' })), 'CONNECTOR_UNKNOWN');
});

test('a try-out shows each step and signs nobody in', async () => {
  await removeUser('alice');
  const json = JSON.stringify(connector('draft', idp, { max_age: '1h' }));
  const { testId, redirectUrl } = await auth.admin.client.startSsoTest({ json });
  assert.equal((await auth.admin.client.getSsoTest({ testId })).state, State.PENDING);
  const back = await new OidcBrowser().signIn(redirectUrl, { login: 'alice', password: PASSWORD }, CALLBACK);
  const answer = await finish({ parameters: back.search.slice(1), binding: '' });
  assert.deepEqual([answer.sessionToken, answer.redirectUrl], ['', '/web/login?error=SSO_TESTED']);
  const result = await auth.admin.client.getSsoTest({ testId });
  assert.equal(result.state, State.SUCCEEDED);
  assert.deepEqual([result.user, result.roles], ['alice', ['access']]);
  assert.deepEqual(
    result.steps.filter(({ name }) => name === 'mapping').map(({ ok, detail }) => [ok, detail]),
    [
      [true, 'groups has "dba", which is "dba": roles access'],
      [false, 'groups is "dba", "db-shop": expected "auditors": not auditor'],
    ],
  );
  assert.match(result.steps.find(({ name }) => name === 'record')?.detail ?? '', /"identity":"alice"/);
  assert.doesNotMatch(JSON.stringify(result.steps), new RegExp(OIDC_CLIENT.secret));
  await assert.rejects(userRecord('alice'), /does not exist/);
  assert.equal(await codeOf(auth.admin.client.getResource({ kind: 'oidc', name: 'draft' })), 'NOT_FOUND');
});

test('a try-out that fails says where', async () => {
  const json = JSON.stringify(connector('draft', idp, { acr_values: 'urn:test:two-factors' }));
  const { testId, redirectUrl } = await auth.admin.client.startSsoTest({ json });
  const back = await new OidcBrowser().signIn(redirectUrl, { login: 'alice', password: PASSWORD }, CALLBACK);
  await finish({ parameters: back.search.slice(1), binding: '' });
  const { state, steps } = await auth.admin.client.getSsoTest({ testId });
  assert.equal(state, State.FAILED);
  assert.match(
    steps.find(({ ok }) => !ok)?.detail ?? '',
    /acr is "urn:test:password": expected "urn:test:two-factors"/,
  );
});

test('tsh signs in at a provider: a certificate for its key, sealed, at its own address; once', async () => {
  await removeUser('alice');
  const tsh = await new TestClient(auth.anonymous).start({ connector: 'corp', ttlSeconds: 600 });
  const back = await new OidcBrowser().signIn(tsh.url, { login: 'alice', password: PASSWORD }, CALLBACK);
  const brought = { parameters: back.search.slice(1), binding: '' };
  const answer = await finish(brought);
  assert.equal(answer.sessionToken, '');
  assert.ok(answer.redirectUrl.startsWith(`${tsh.callbackUrl}?response=`), answer.redirectUrl);
  const signedIn = tsh.signIn(tsh.opened(answer.redirectUrl));
  assert.deepEqual(signedIn.roles, ['access']);
  assert.ok(Math.abs(signedIn.leaf.validToDate.getTime() - auth.clock.now() - 600_000) < 60_000);
  const { metadata } = await userRecord('alice');
  assert.ok(Math.abs(Date.parse(metadata['expires'] ?? '') - auth.clock.now() - 600_000) < 60_000);
  assert.equal(await codeOf(finish(brought)), 'SSO_EXPIRED');
});

test('tsh is told when the provider says no', async () => {
  const tsh = await new TestClient(auth.anonymous).start({ connector: 'corp' });
  const back = await new OidcBrowser().signIn(tsh.url, { login: 'mallory', password: PASSWORD }, CALLBACK);
  const { redirectUrl, sessionToken } = await finish({ parameters: back.search.slice(1), binding: '' });
  assert.equal(sessionToken, '');
  assert.ok(redirectUrl.startsWith(tsh.callbackUrl), redirectUrl);
  assert.doesNotMatch(redirectUrl, /response=/);
});

test('an answer for tsh goes only to this machine; a connector that would send it elsewhere is refused', async () => {
  const callbackUrl = 'https://dev.example.com/callback';
  assert.equal(
    await codeOf(new TestClient(auth.anonymous).start({ connector: 'corp', callbackUrl })),
    'CONFIG_INVALID',
  );
  const settings = (hosts: readonly string[]) => ({ client_redirect_settings: { allowed_https_hostnames: hosts } });
  await assert.rejects(put(connector('corp', idp, settings(['dev.example.com']))), /is not supported/);
  await put(connector('corp', idp, settings([])));
});

test('a person of a provider has no password to sign in with', async () => {
  await signIn();
  await assert.rejects(auth.admin.client.resetUser({ user: 'alice' }), /signs in at oidc\/corp/);
});

test("a provider that is away is said so, and is nobody's failed sign-in", async () => {
  await put(connector('away', { ...idp, issuer: 'http://127.0.0.1:9' }, { redirect_url: callbackOf('away') }));
  assert.equal(await codeOf(atProvider({ connector: 'away' })), 'PROVIDER_UNREACHABLE');
});

test('GitHub: teams become roles', async () => {
  const github = await GithubStandIn.start();
  try {
    github.teams = [['acme', 'dba']];
    await put({
      kind: 'github',
      version: 'v3',
      metadata: { name: 'hub' },
      spec: {
        client_id: 'id',
        client_secret: 'secret',
        redirect_url: `${ORIGIN}/v1/webapi/github/callback`,
        endpoint_url: github.url,
        teams_to_roles: [{ organization: 'acme', team: 'dba', roles: ['access'] }],
      },
    });
    github.user = { id: 7, login: 'octo' };
    const browser = new TestBrowser(proxy, ADDRESS);
    let binding = '';
    const { redirectUrl } = await proxy.connection.client.startSso(
      { connector: 'hub', returnTo: '' },
      { headers: browser.headers(), onHeader: (headers) => (binding = headers.get('tessera-set-binding') ?? '') },
    );
    const answer = await finish({ parameters: github.authorize(redirectUrl), binding }, { kind: 'github' });
    browser.cookie = answer.sessionToken;
    const me = await browser.myself();
    assert.deepEqual(
      [me.user, me.roles, JSON.parse(me.traitsJson)],
      ['octo', ['access'], { github_login: ['octo'], github_orgs: ['acme'], github_teams: ['dba'] }],
    );
  } finally {
    await github.close();
  }
});
