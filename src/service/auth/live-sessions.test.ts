import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Code, ConnectError, type Client } from '@connectrpc/connect';
import type { AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { type TestHost, TestAuth } from './auth.fixture.ts';

/** Live sessions at the API: an agent speaks for itself alone, everybody sees what their rules allow, and ends what they may. */

type Api = Client<typeof AuthService>;
let auth: TestAuth;
let agent: TestHost;
let other: TestHost;
let alice: Api;
let bob: Api;
let auditor: Api;
let lister: Api;
let editor: Api;
let picture = 0n;

before(async () => {
  auth = await TestAuth.start();
  await auth.admin.client.putResource({
    json: JSON.stringify({
      kind: 'role',
      version: 'v8',
      metadata: { name: 'lister' },
      spec: { allow: { rules: [{ resources: ['session'], verbs: ['list'], where: 'contains(session.participants, "alice")' }] } },
    }),
  }); // prettier-ignore
  const connected = async (name: string, roles: readonly string[]): Promise<Api> =>
    auth.connect(await auth.signIn(await auth.addUser(name, { roles }))).client;
  alice = await connected('alice', ['access']);
  bob = await connected('bob', ['access']);
  auditor = await connected('ada', ['auditor']);
  lister = await connected('lisa', ['lister']);
  editor = await connected('ed', ['editor']);
  agent = await auth.join('database', 'agent');
  other = await auth.join('database', 'other');
});
after(() => auth.stop());

const ofAlice = '11111111-1111-4111-8111-111111111111';
const ofBob = '22222222-2222-4222-8222-222222222222';

function session(sessionId: string, user: string, more: object = {}) {
  return {
    sessionId,
    user,
    databaseService: 'orders',
    protocol: 'postgres',
    databaseUser: 'reader',
    databaseName: 'shop',
    clientAddress: '198.51.100.7:5555',
    started: '2026-01-01T00:00:00.000Z',
    currentStatement: `select '${user}'`,
    ...more,
  };
}

async function report(host: TestHost, sessions: readonly ReturnType<typeof session>[], last = true): Promise<number> {
  picture += 1n;
  const answer = await host.connection.client.reportSessions({ picture, last, sessions: [...sessions] });
  return answer.nextMilliseconds;
}

async function seenBy(api: Api): Promise<string[]> {
  const { sessions } = await api.listSessions({});
  return sessions.map((each) => `${each.user}: ${each.currentStatement}`).toSorted();
}

async function refusal(call: Promise<unknown>): Promise<ConnectError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConnectError, 'the call was not refused');
  return error;
}

test('who sees whose sessions, and whose statements', async () => {
  await report(agent, [session(ofAlice, 'alice'), session(ofBob, 'bob')]);
  const whole = ["alice: select 'alice'", "bob: select 'bob'"];
  assert.deepEqual(await seenBy(auth.admin.client), whole);
  assert.deepEqual(await seenBy(auditor), whole);
  assert.deepEqual(await seenBy(alice), whole.slice(0, 1));
  assert.deepEqual(await seenBy(bob), whole.slice(1));
  assert.deepEqual(await seenBy(lister), ['alice: '], 'where alone, and without read no statement');
  assert.equal((await refusal(auth.anonymous.client.listSessions({}))).code, Code.Unauthenticated);
  assert.equal((await refusal(agent.connection.client.listSessions({}))).code, Code.PermissionDenied);
});

test('an agent speaks for itself alone', async () => {
  await report(agent, [session(ofAlice, 'alice', { agentHostId: other.hostId })]);
  const [shown] = (await alice.listSessions({})).sessions;
  assert.equal(shown?.agentHostId, agent.hostId);
  // What the other one says of the same session takes nothing away, and makes it nobody else's.
  await report(other, [session(ofAlice, 'bob')]);
  assert.equal((await alice.listSessions({})).sessions.length, 1);
  const { code } = await refusal(bob.terminateSession({ sessionId: ofAlice }));
  assert.equal(code, Code.PermissionDenied);
  await report(other, []);
  assert.equal((await refusal(alice.reportSessions({ picture: 1n, last: true }))).code, Code.PermissionDenied);
  const proxy = await auth.join('proxy');
  assert.equal((await refusal(proxy.connection.client.reportSessions({}))).code, Code.PermissionDenied);
});

test('rates come from what was counted between two pictures, and texts are bounded', async () => {
  await report(agent, [session(ofAlice, 'alice', { statements: 10n, bytesFromClient: 100n })]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const long = 'x'.repeat(5000);
  const busy = { statements: 20n, bytesFromClient: 100n, bytesFromDatabase: 1000n, currentStatement: long, clientProgram: long, statementsPerSecond: 1e9 }; // prettier-ignore
  await report(agent, [session(ofAlice, 'alice', busy)]);
  const [shown] = (await alice.listSessions({})).sessions;
  assert.ok(shown !== undefined);
  assert.ok(shown.statementsPerSecond > 0 && shown.statementsPerSecond <= 200, `${shown.statementsPerSecond}`);
  assert.ok(shown.bytesPerSecond > 0);
  assert.equal(shown.currentStatement.length, 1024);
  assert.equal(shown.clientProgram.length, 512);
});

test('a picture in parts counts when it is whole; what is no session is left out; too many are refused', async () => {
  picture += 1n;
  const part = (sessions: readonly ReturnType<typeof session>[], last: boolean) =>
    agent.connection.client.reportSessions({ picture, last, sessions: [...sessions] });
  await part([session(ofBob, 'bob')], false);
  assert.deepEqual(await seenBy(bob), []);
  await part([session(ofAlice, 'alice'), session('../../etc', 'bob')], true);
  assert.equal((await auditor.listSessions({})).sessions.length, 2);
  const many = Array.from({ length: 20_001 }, (_, index) => ({ sessionId: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}` })); // prettier-ignore
  picture += 1n;
  const { code } = await refusal(agent.connection.client.reportSessions({ picture, last: true, sessions: many }));
  assert.equal(code, Code.ResourceExhausted);
  assert.equal((await auditor.listSessions({})).sessions.length, 2, 'the last whole picture stays');
});

test('watchers get a picture at once, then one a change, and agents are asked for more of them', async () => {
  await report(agent, [session(ofAlice, 'alice')]);
  const stop = new AbortController();
  const stream = alice.watchSessions({}, { signal: stop.signal })[Symbol.asyncIterator]();
  const next = async (): Promise<number> => {
    const { value, done } = await stream.next();
    assert.ok(done !== true);
    return value.sessions.length;
  };
  assert.equal(await next(), 1);
  assert.equal(await report(agent, []), 1000);
  assert.equal(await next(), 0);
  stop.abort();
  await stream.next().catch(() => undefined);
});

test('one ends one’s own without a rule, others with the right to lock; the lock is for that session alone', async () => {
  await report(agent, [session(ofAlice, 'alice'), session(ofBob, 'bob')]);
  const denied = await refusal(auditor.terminateSession({ sessionId: ofAlice }));
  assert.equal(denied.code, Code.PermissionDenied);
  assert.match(denied.rawMessage, /no role of theirs may create lock/);
  const unseen = await refusal(bob.terminateSession({ sessionId: ofAlice }));
  const absent = await refusal(bob.terminateSession({ sessionId: '33333333-3333-4333-8333-333333333333' }));
  assert.deepEqual([unseen.code, absent.code], [Code.NotFound, Code.NotFound]);
  assert.equal(
    unseen.rawMessage.replace(ofAlice, ''),
    absent.rawMessage.replace('33333333-3333-4333-8333-333333333333', ''),
    'no difference between what is not there and what one may not see',
  );
  await alice.terminateSession({ sessionId: ofAlice });
  await alice.terminateSession({ sessionId: ofAlice });
  await editor.terminateSession({ sessionId: ofBob, message: 'maintenance' });
  const { resources } = await auth.admin.client.listResources({ kind: 'lock' });
  const locks = resources.map(({ json }) => JSON.parse(json) as { metadata: { labels: object }; spec: Record<string, unknown> }); // prettier-ignore
  assert.deepEqual(
    locks.map(({ spec }) => [spec['target'], spec['message']]).toSorted((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1)), // prettier-ignore
    [
      [{ session_id: ofAlice }, 'ended by alice'],
      [{ session_id: ofBob }, 'maintenance'],
    ],
    'a second wish makes no second lock',
  );
  for (const { metadata, spec } of locks) {
    assert.deepEqual(metadata.labels, { 'tessera.dev/origin': 'terminate' });
    assert.ok(Date.parse(String(spec['expires'])) - auth.clock.now() <= 24 * 3_600_000);
  }
  const created = await auth.events('TLK00I');
  assert.deepEqual(created.map((event) => [event['user'], event['sid']]).toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))), [['alice', ofAlice], ['ed', ofBob]]); // prettier-ignore
  // The person works on: the lock is for no certificate and no user.
  assert.equal((await alice.listSessions({})).sessions.length, 1);
  const tooLong = await refusal(alice.terminateSession({ sessionId: ofAlice, message: 'x'.repeat(1001) }));
  assert.equal(tooLong.code, Code.InvalidArgument);
});
