import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Code, ConnectError, type Client } from '@connectrpc/connect';
import { type AuthService, PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { PERMISSIONS } from '../../rpc/permissions.ts';
import { newKeys, refusal, TestAuth } from './auth.fixture.ts';

/** Administration: who may, and that the records keep their rules. */

type Api = Client<typeof AuthService>;
let auth: TestAuth;
let nobody: Api;
let editor: Api;
let auditor: Api;
let service: Api;

before(async () => {
  auth = await TestAuth.start();
  const connected = async (name: string, roles: readonly string[]): Promise<Api> =>
    auth.connect(await auth.signIn(await auth.addUser(name, { roles }))).client;
  nobody = await connected('nina', ['access']);
  editor = await connected('ed', ['editor']);
  auditor = await connected('ada', ['auditor']);
  service = (await auth.join('database')).connection.client;
});
after(() => auth.stop());

const role = (name: string) =>
  JSON.stringify({ kind: 'role', version: 'v8', metadata: { name }, spec: { options: {}, allow: {}, deny: {} } });
const user = (name: string) =>
  JSON.stringify({ kind: 'user', version: 'v2', metadata: { name }, spec: { roles: ['access'], traits: {} } });
async function first(stream: AsyncIterable<unknown>): Promise<unknown> {
  for await (const message of stream) return message;
  return undefined;
}

/** Need no rule: what somebody sees and ends is said by the rules of each session (live-sessions.test.ts). */
const forEverybody: ReadonlySet<string> = new Set(['listSessions', 'watchSessions', 'terminateSession']);
const ssoConnector = JSON.stringify({ kind: 'github', version: 'v3', metadata: { name: 'g' }, spec: {} });

/** What is wrong with the request is not what is asked here. */
function unlessAllowed(error: unknown): void {
  if (error instanceof ConnectError && (error.code === Code.PermissionDenied || error.code === Code.Unauthenticated)) throw error; // prettier-ignore
}

/** One call of every other method of administration. */
const calls: { readonly [name: string]: (api: Api) => Promise<unknown> } = {
  getResource: (api) => api.getResource({ kind: 'role', name: 'access' }),
  listResources: (api) => api.listResources({ kind: 'user' }),
  putResource: (api) => api.putResource({ json: role('made'), mode: PutResourceRequest_Mode.UPSERT }),
  checkResource: (api) => api.checkResource({ text: role('made'), kind: 'role' }),
  deleteResource: (api) => api.deleteResource({ kind: 'role', name: 'made' }),
  addUser: (api) => api.addUser({ json: user(`u-${Math.floor(performance.now() * 1000)}`) }),
  resetUser: (api) => api.resetUser({ user: 'nina' }),
  addToken: (api) => api.addToken({ roles: ['db'] }),
  signDatabaseServer: (api) => api.signDatabaseServer({ publicKey: newKeys().publicKey, hosts: ['db.example.com'] }),
  exportAuthority: (api) => api.exportAuthority({ type: 'db-client' }),
  searchAudit: (api) => api.searchAudit({}),
  followAudit: (api) => first(api.followAudit({}, { timeoutMs: 500 })),
  status: (api) => api.status({}),
  countAudit: (api) => api.countAudit({}),
  explainAccess: (api) => api.explainAccess({}),
  startSsoTest: (api) => api.startSsoTest({ json: ssoConnector }).catch(unlessAllowed),
  getSsoTest: (api) => api.getSsoTest({ testId: 'none' }).catch(unlessAllowed),
};

test('the rows below are every method of administration', () => {
  const names = Object.entries(PERMISSIONS).flatMap(([name, permission]) =>
    permission.kind === 'administration' && !forEverybody.has(name) ? [name] : [],
  );
  assert.deepEqual(Object.keys(calls).toSorted(), names.toSorted());
});
for (const [name, call] of Object.entries(calls)) {
  test(`${name}: refused for a person without a rule, for a service, and without a certificate`, async () => {
    const person = await refusal(call(nobody));
    assert.equal(person.code, Code.PermissionDenied);
    assert.match(person.rawMessage, /user nina may not/);
    assert.equal((await refusal(call(service))).code, Code.PermissionDenied);
    assert.equal((await refusal(call(auth.anonymous.client))).code, Code.Unauthenticated);
    assert.ok((await auth.events('TAP00W')).some((event) => event['method'] === name && event['user'] === 'nina'));
  });
}

test('the editor may all of it, the auditor only reads the log', async () => {
  for (const [name, call] of Object.entries(calls)) {
    if (name !== 'followAudit') await call(editor);
  }
  await auditor.searchAudit({});
  await refusal(auditor.addToken({ roles: ['db'] }));
  await refusal(auditor.listResources({ kind: 'token' }));
});

test('following the log shows what happens, to those who may read it', async () => {
  const seen = first(auditor.followAudit({ filter: { events: ['role.created'] } }));
  const until = performance.now() + 5000;
  let done = false;
  void seen.finally(() => (done = true));
  for (let index = 0; !done && performance.now() < until; index += 1) {
    await auth.admin.client.putResource({ json: role(`seen-${index}`), mode: PutResourceRequest_Mode.CREATE });
  }
  assert.match(JSON.stringify(await seen), /role\.created/);
});

const put = (json: object, mode: PutResourceRequest_Mode = PutResourceRequest_Mode.UPSERT) =>
  auth.admin.client.putResource({ json: JSON.stringify(json), mode });
const wrong: readonly { name: string; says: RegExp; call: () => Promise<unknown> }[] = [
  { name: 'an unknown kind', says: /kind: expected one of/, call: () => put({ kind: 'thing' }) },
  {
    name: 'an unknown key',
    says: /unknown key/,
    call: () => put({ kind: 'role', version: 'v8', metadata: { name: 'r' }, spec: { allowed: {} } }),
  },
  {
    name: 'a kind the services keep',
    says: /kept by the services/,
    call: () =>
      put({ kind: 'authority', version: 'v2', metadata: { name: 'user' }, spec: { type: 'user', certificates: [] } }),
  },
  {
    name: 'a user with a role that is not there',
    says: /role nothing does not exist/,
    call: () => put({ kind: 'user', version: 'v2', metadata: { name: 'x' }, spec: { roles: ['nothing'], traits: {} } }),
  },
  {
    name: 'a token without an end',
    says: /must end/,
    call: () =>
      put({ kind: 'token', version: 'v2', metadata: { name: 'a-token-of-some-length' }, spec: { roles: ['Db'] } }),
  },
  {
    name: 'a lock of the past',
    says: /in the past/,
    call: () =>
      put({
        kind: 'lock',
        version: 'v2',
        metadata: { name: 'l' },
        spec: { target: { user: 'x' }, expires: '2020-01-01T00:00:00Z' },
      }),
  },
  {
    name: 'creating what is there',
    says: /exists already/,
    call: () => put(JSON.parse(role('access')), PutResourceRequest_Mode.CREATE),
  },
  {
    name: 'updating an old revision',
    says: /changed by somebody else/,
    call: () => put(JSON.parse(role('access')), PutResourceRequest_Mode.UPDATE),
  },
  {
    name: 'removing a role that users hold',
    says: /held by/,
    call: () => auth.admin.client.deleteResource({ kind: 'role', name: 'access' }),
  },
  {
    name: 'removing what is not there',
    says: /does not exist/,
    call: () => auth.admin.client.deleteResource({ kind: 'role', name: 'nothing' }),
  },
  {
    name: 'removing the sign-in settings',
    says: /can not be removed/,
    call: () => auth.admin.client.deleteResource({ kind: 'cluster_auth_preference', name: 'cluster-auth-preference' }),
  },
  { name: 'a token for no role', says: /roles/, call: () => auth.admin.client.addToken({ roles: ['auth'] }) },
  {
    name: 'a token that can be guessed',
    says: /minTokenLength/,
    call: () => auth.admin.client.addToken({ roles: ['db'], value: 'short' }),
  },
  {
    name: 'a database certificate for a reserved name',
    says: /reserved/,
    call: () =>
      auth.admin.client.signDatabaseServer({ publicKey: newKeys().publicKey, hosts: ['auth.tessera.internal'] }),
  },
  {
    name: 'a search beyond the limit',
    says: /max_search_results/,
    call: () => auth.admin.client.searchAudit({ limit: 100_000 }),
  },
];
for (const row of wrong) {
  test(`refused with words: ${row.name}`, async () => {
    assert.match((await refusal(row.call())).rawMessage, row.says);
  });
}

test('nothing that is listed holds a secret', async () => {
  const texts: string[] = [];
  for (const kind of [
    'user',
    'role',
    'lock',
    'db',
    'authority',
    'cluster_auth_preference',
    'db_server',
    'proxy_server',
  ]) {
    texts.push(...(await auth.admin.client.listResources({ kind })).resources.map((one) => one.json));
  }
  assert.doesNotMatch(texts.join('\n'), /argon2|PRIVATE KEY|sealed|passwordHash|oneTimeSecret/u);
});

test('sign-in settings can be changed, and count at once', async () => {
  await put({ kind: 'cluster_auth_preference', version: 'v2', spec: { message_of_the_day: 'be kind' } });
  const keys = newKeys();
  const person = await auth.addUser('mia', { roles: ['access'] });
  auth.clock.offsetMs += 30_000;
  const answer = await auth.anonymous.client.signIn({
    user: 'mia',
    password: person.password,
    oneTimeCode: auth.code(person),
    publicKey: keys.publicKey,
  });
  assert.equal(answer.messageOfTheDay, 'be kind');
  assert.equal((await auth.events('TCAUTH001I')).length, 1);
});
