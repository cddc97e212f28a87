import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';
import { AuthStandIn, respond, respondStream, type StandInCall } from '../../../test/kit/auth-stand-in.ts';
import { TestCluster, TestGateway, until } from '../../../test/kit/gateway.ts';
import {
  answerOf,
  closeOf,
  envelope,
  envelopes,
  pageHeaders,
  rawHttp,
  rpcPath,
  WebClient,
} from '../../../test/kit/web-client.ts';
import { WEB_HEADERS } from '../auth/web-call.ts';

const TOKEN = 'A'.repeat(43);
const COOKIE = `__Host-tessera_session=${TOKEN}`;

let cluster: TestCluster;
let auth: AuthStandIn;
let here: TestGateway;
let client: WebClient;
before(async () => {
  cluster = await TestCluster.create();
  auth = await AuthStandIn.start(cluster);
  here = await TestGateway.start(cluster, {
    authPort: auth.port,
    limits: { maxWebCallsPerSession: 8, maxWebCallsPerClient: 20, handshakeTimeoutMs: 600, webCallTimeoutMs: 800 },
  });
  client = new WebClient(here.port);
});
after(async () => {
  client.close();
  await here.close();
  await auth.close();
});
afterEach(async () => {
  auth.answer = (call) => respond(call, '{}');
  await until(() => calls() === 0);
  auth.calls.length = 0;
});

/** Calls under way, as the metrics tell. */
function calls(): number {
  return here.webCalls();
}

function lastCall(): StandInCall {
  return auth.calls.at(-1) ?? assert.fail('nothing reached Auth');
}

test('a call goes on byte for byte, with what Auth must know and nothing else of the browser', async () => {
  auth.answer = (call) => respond(call, '{"databases":[]}', { 'tessera-internal': 'x', 'set-cookie': 'evil=1' });
  const answer = await client.call('ListDatabases', {
    cookie: `other=1; ${COOKIE}; more=2`,
    body: '{"x" : 1}',
    headers: {
      'user-agent': 'Fire\u00fffox',
      'tessera-web': '7',
      'tessera-web-session': 'forged',
      'tessera-client-address': '203.0.113.1',
      'tessera-web-origin': 'https://evil.example',
      'tessera-user-agent': 'forged',
      authorization: 'Bearer x',
      'x-forwarded-for': '203.0.113.1',
      'connect-timeout-ms': '700',
    },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.body.toString(), '{"databases":[]}');
  assert.equal(answer.headers['tessera-internal'], undefined);
  assert.equal(answer.headers['set-cookie'], undefined);
  const { path, headers, body } = lastCall();
  assert.equal(path, '/tessera.auth.v1.AuthService/ListDatabases');
  assert.equal(body.toString(), '{"x" : 1}');
  const { ':method': method, ':scheme': scheme, ':authority': authority, ':path': _path, ...rest } = headers;
  assert.deepEqual([method, scheme, authority], ['POST', 'https', 'auth.tessera.internal']);
  const sent = Object.fromEntries(Object.entries(rest).filter(([name]) => typeof name === 'string'));
  assert.deepEqual(sent, {
    'content-type': 'application/json',
    'content-length': '9',
    'connect-protocol-version': '1',
    'connect-timeout-ms': '700',
    'tessera-web': '1',
    'tessera-web-session': TOKEN,
    'tessera-client-address': '127.0.0.1',
    'tessera-web-origin': `https://localhost:${here.port}`,
    'tessera-user-agent': 'Fire?fox',
  });
  assert.notEqual(lastCall().fingerprint, undefined);
});

test('what the page asks by itself is told as such, in the name that Auth knows', async () => {
  await client.call('Ping', { headers: { 'tessera-web-background': '1' } });
  assert.equal(lastCall().headers[WEB_HEADERS.background], undefined);
  await client.call('Ping', { cookie: COOKIE, headers: { 'x-tessera-background': '1' } });
  for (const name of Object.values(WEB_HEADERS)) assert.notEqual(lastCall().headers[name], undefined, name);
});

test('without a cookie there is no session header; a cookie that Auth never gave out is none', async () => {
  for (const cookie of [
    undefined,
    '__Host-tessera_session=',
    '__Host-tessera_session=a b',
    `${COOKIE}; __Host-tessera_session=${'B'.repeat(43)}`,
  ]) {
    await client.call('Ping', cookie === undefined ? {} : { cookie });
    assert.equal(lastCall().headers['tessera-web-session'], undefined);
    const refused = await client.call('ListDatabases', cookie === undefined ? {} : { cookie });
    assert.equal(refused.status, 401);
    assert.equal((JSON.parse(refused.body.toString()) as { code: string }).code, 'unauthenticated');
  }
});

test("Auth's session and binding become cookies with every attribute, and nothing else does", async () => {
  const rows: readonly [string, string, string][] = [
    [
      'tessera-set-session',
      `${TOKEN};3600`,
      `__Host-tessera_session=${TOKEN}; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Strict`,
    ],
    ['tessera-set-session', '', '__Host-tessera_session=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict'],
    ['tessera-set-binding', TOKEN, `__Host-tessera_sso=${TOKEN}; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=None`],
  ];
  for (const [name, value, cookie] of rows) {
    auth.answer = (call) => respond(call, '{}', { [name]: value });
    const answer = await client.call('FinishWebSignIn');
    assert.deepEqual(answer.headers['set-cookie'], [cookie]);
    assert.equal(answer.headers[name], undefined);
  }
  for (const value of ['x;y;z', `${TOKEN};-1`, `${TOKEN}; Domain=evil;1`, 'short;10', `${TOKEN}`]) {
    auth.answer = (call) => respond(call, '{}', { 'tessera-set-session': value });
    const answer = await client.call('FinishWebSignIn');
    assert.equal(answer.status, 502, value);
    assert.equal(answer.headers['set-cookie'], undefined);
  }
});

const REFUSED: readonly [name: string, status: number, change: Parameters<WebClient['request']>[1], method?: string][] =
  [
    ['GET', 405, { method: 'GET' }],
    ['a page of another origin', 403, { headers: { origin: 'https://evil.example' } }],
    ['an origin that begins like ours', 403, { headers: { origin: 'https://localhost' } }],
    ['a sandboxed page', 403, { headers: { origin: 'null' } }],
    ['another site', 403, { headers: { 'sec-fetch-site': 'cross-site' } }],
    ['the same site on another port', 403, { headers: { 'sec-fetch-site': 'same-site' } }],
    ['a typed address', 403, { headers: { 'sec-fetch-site': 'none' } }],
    ['without our header', 403, { headers: { 'x-tessera-web': undefined } }],
    ['with another value of it', 403, { headers: { 'x-tessera-web': '1, 1' } }],
    ["a form's content type", 415, { headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['plain text', 415, { headers: { 'content-type': 'text/plain' } }],
    ['a content type with a tail', 415, { headers: { 'content-type': 'application/json; charset=utf-8' } }],
    ['no content type', 415, { headers: { 'content-type': undefined } }],
    ['a stream for a unary method', 415, { headers: { 'content-type': 'application/connect+json' } }],
    ['a packed body', 415, { headers: { 'content-encoding': 'gzip' } }],
    ['another host', 421, { headers: { ':authority': 'evil.example' } }],
    ['another host with our port', 421, { headers: { ':authority': 'evil.example:3080' } }],
    ['our name on a port of nobody', 421, { headers: { ':authority': 'localhost:9' } }],
    ['a method of services', 404, {}, 'IssueDatabaseCertificate'],
    ['the watch of services', 404, {}, 'Watch'],
    ["the callbacks' call", 404, {}, 'FinishSso'],
    ["tsh's sign-in", 404, {}, 'SignIn'],
    ['joining', 404, {}, 'Join'],
    ['a certificate', 404, {}, 'IssueUserCertificate'],
    ['an unknown method', 404, {}, 'Nothing'],
    ['a name of JavaScript', 404, {}, 'constructor'],
    ['a path behind the method', 404, {}, 'Ping/../Watch'],
    ['a query', 404, {}, 'Ping?connect=v1'],
  ];
for (const [name, status, change, method = 'Ping'] of REFUSED) {
  test(`refused before Auth hears of it: ${name}`, async () => {
    const answer = await client.request(rpcPath(method), {
      method: 'POST',
      body: change?.method === 'GET' ? '' : '{}',
      ...change,
      headers: definedOf({ ...pageHeaders(here.port, COOKIE), ...change?.headers }),
    });
    assert.equal(answer.status, status);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.match(answer.body.toString(), /"code":"\w+","message":"/);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    assert.equal(auth.calls.length, 0);
  });
}

function definedOf(headers: object): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
}

test('nobody asks for permission across origins', async () => {
  const answer = await client.request(rpcPath('Ping'), {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });
  assert.equal(answer.status, 405);
  assert.equal(answer.headers['access-control-allow-origin'], undefined);
});

test('a body that is too large is refused, with its length told or not, with a session and without', async () => {
  for (const [cookie, bytes] of [
    [COOKIE, 1024 * 1024],
    [undefined, 32 * 1024],
  ] as const) {
    const headers = pageHeaders(here.port, cookie);
    const whole = await client.call('Ping', {
      ...(cookie === undefined ? {} : { cookie }),
      headers: { 'content-length': bytes },
      body: Buffer.alloc(bytes, 0x20),
    });
    assert.equal(whole.status, 200);
    assert.equal(lastCall().body.length, bytes);
    const told = client.open(rpcPath('Ping'), { method: 'POST', headers: { ...headers, 'content-length': bytes + 1 } });
    const answer = await answerOf(told);
    assert.equal(answer.status, 413);
    assert.deepEqual((JSON.parse(answer.body.toString()) as { code: string }).code, 'resource_exhausted');
    const untold = await client.request(rpcPath('Ping'), {
      method: 'POST',
      headers,
      body: Buffer.alloc(32 * 1024 + 1),
    });
    assert.equal(untold.status, 413);
  }
  assert.equal(auth.calls.length, 2);
});

test('HTTP/1.1 works the same, chunked too', async () => {
  const head = `POST ${rpcPath('Ping')} HTTP/1.1\r\nHost: localhost:${here.port}\r\nContent-Type: application/json\r\nX-Tessera-Web: 1\r\nConnection: close\r\n`;
  assert.match(
    await rawHttp(here.port, `${head}Content-Length: 2\r\n\r\n{}`),
    /^HTTP\/1\.1 200 OK\r\n[^]*\r\n2\r\n\{\}\r\n0\r\n\r\n$/,
  );
  assert.match(
    await rawHttp(here.port, `${head}Transfer-Encoding: chunked\r\n\r\n`, '2\r\n{}\r\n0\r\n\r\n'),
    /^HTTP\/1\.1 200 /,
  );
  assert.match(await rawHttp(here.port, `${head}Content-Length: 99999999\r\n\r\n`), /^HTTP\/1\.1 413 /);
  assert.match(
    await rawHttp(here.port, `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    /^(HTTP\/1\.1 400 [^]*)?$/,
  );
});

test('a body that does not come is ended in time, and Auth never hears of it', async () => {
  const slow = client.open(rpcPath('Ping'), { method: 'POST', headers: pageHeaders(here.port) });
  slow.write('{');
  assert.equal((await answerOf(slow)).status, 408);
  assert.match(
    await rawHttp(
      here.port,
      `POST ${rpcPath('Ping')} HTTP/1.1\r\nHost: localhost:${here.port}\r\nContent-Type: application/json\r\nX-Tessera-Web: 1\r\nContent-Length: 5\r\n\r\n{`,
    ),
    /^HTTP\/1\.1 408 |^$/,
  );
  assert.equal(auth.calls.length, 0);
});

test("Auth's refusal reaches the page with its code", async () => {
  auth.answer = (call) =>
    respond(call, '{"code":"permission_denied","message":"no"}', { ':status': 403, 'tessera-code': 'ACCESS_DENIED' });
  const answer = await client.call('ListDatabases', { cookie: COOKIE });
  assert.deepEqual([answer.status, answer.headers['tessera-code']], [403, 'ACCESS_DENIED']);
  assert.equal(answer.body.toString(), '{"code":"permission_denied","message":"no"}');
});

test('answers that can not be what they should be are not passed on', async () => {
  for (const headers of [
    { 'content-type': 'text/html' },
    { 'content-type': 'application/json; x' },
    { ':status': 204 },
  ]) {
    auth.answer = (call) => respond(call, '<script>', headers);
    const answer = await client.call('Ping');
    assert.equal(answer.status, 502);
    assert.doesNotMatch(answer.body.toString(), /script/);
  }
});

test('an Auth that does not answer is told in time; one that is cut off too', async () => {
  auth.answer = () => undefined;
  const late = await client.call('Ping');
  assert.deepEqual([late.status, late.headers['tessera-code']], [504, 'WEB_CALL_TIMEOUT']);
  await until(() => calls() === 0);
  auth.answer = (call) => call.stream.session?.destroy();
  const cut = await client.call('Ping');
  assert.deepEqual([cut.status, cut.headers['tessera-code']], [503, 'AUTH_UNREACHABLE']);
});

test('a stream passes as it comes, and ends as Auth ends it', async () => {
  const auths: StandInCall[] = [];
  auth.answer = (call) => {
    auths.push(call);
    respondStream(call).write(envelope('{"n":1}'));
  };
  const stream = client.open(rpcPath('WatchSessions'), {
    method: 'POST',
    headers: { ...pageHeaders(here.port, COOKIE), 'content-type': 'application/connect+json' },
  });
  stream.end(envelope('{}'));
  const [first] = (await once(stream, 'data')) as [Buffer];
  assert.deepEqual(envelopes(first), [{ flags: 0, body: '{"n":1}' }]);
  // Longer than a unary call may take.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  auths[0]?.stream.end(envelope('{}', 2));
  const answer = await answerOf(stream);
  assert.deepEqual([answer.rstCode, envelopes(answer.body)], [0, [{ flags: 2, body: '{}' }]]);
});

test('a stream whose Auth is lost ends in words between two messages, and cut inside one', async () => {
  for (const [sent, words] of [
    [envelope('{"n":1}'), true],
    [envelope('{"n":1}').subarray(0, 7), false],
  ] as const) {
    auth.answer = (call) => {
      respondStream(call).write(sent);
      setTimeout(() => call.stream.session?.destroy(), 50);
    };
    const answer = await client.request(rpcPath('FollowAudit'), {
      method: 'POST',
      headers: { ...pageHeaders(here.port, COOKIE), 'content-type': 'application/connect+json' },
      body: envelope('{}'),
    });
    const last = envelopes(answer.body).at(-1);
    if (words) assert.match(last?.body ?? '', /"code":"unavailable".*AUTH_UNREACHABLE/);
    else assert.notEqual(answer.rstCode, 0);
  }
});

test('a stream that can not begin says so in its own form', async () => {
  const answer = await client.request(rpcPath('WatchSessions'), {
    method: 'POST',
    headers: { ...pageHeaders(here.port), 'content-type': 'application/connect+json' },
    body: envelope('{}'),
  });
  assert.equal(answer.status, 200);
  assert.match(envelopes(answer.body)[0]?.body ?? '', /"code":"unauthenticated"/);
  assert.equal(auth.calls.length, 0);
});

test('a slow reader holds back Auth, and only so much is kept for it', async () => {
  let written = 0;
  let held = false;
  auth.answer = (call) => {
    const stream = respondStream(call);
    const message = envelope(`"${'x'.repeat(60_000)}"`);
    const more = (): void => {
      while (written < 20_000_000) {
        written += message.length;
        if (!stream.write(message)) {
          held = true;
          stream.once('drain', more);
          return;
        }
      }
      stream.end(envelope('{}', 2));
    };
    more();
  };
  const stream = client.open(rpcPath('FollowAudit'), {
    method: 'POST',
    headers: { ...pageHeaders(here.port, COOKIE), 'content-type': 'application/connect+json' },
  });
  stream.end(envelope('{}'));
  stream.pause();
  await until(() => held);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(written < 2_000_000, `${written} bytes were taken for a reader that reads nothing`);
  const answer = answerOf(stream);
  stream.resume();
  assert.equal(envelopes((await answer).body).at(-1)?.flags, 2);
  assert.ok(written >= 20_000_000);
});

test('a browser that leaves ends its call at Auth, and its place is free', async () => {
  auth.answer = (call) => void respondStream(call).write(envelope('{}'));
  const before = auth.cancelled;
  const stream = client.open(rpcPath('WatchSessions'), {
    method: 'POST',
    headers: { ...pageHeaders(here.port, COOKIE), 'content-type': 'application/connect+json' },
  });
  stream.end(envelope('{}'));
  await once(stream, 'data');
  stream.close();
  await until(() => auth.cancelled > before && calls() === 0);
});

test('calls at once are bounded, of one session and of one address, and places come back', async () => {
  const waiting: StandInCall[] = [];
  auth.answer = (call) => void waiting.push(call);
  const ofSession = Array.from({ length: 12 }, () => client.call('ListDatabases', { cookie: COOKIE }));
  await until(() => waiting.length === 8);
  const others = Array.from({ length: 20 }, (_, n) =>
    client.call('Ping', { cookie: `__Host-tessera_session=${String(n).padStart(43, 'C')}` }),
  );
  await until(() => waiting.length === 20);
  for (const call of waiting) respond(call, '{}');
  const statuses = async (answers: readonly Promise<{ readonly status: number }>[]): Promise<readonly number[]> =>
    (await Promise.all(answers)).map(({ status }) => status);
  assert.deepEqual((await statuses(ofSession)).filter((status) => status === 429).length, 4);
  assert.equal(here.instruments.rateLimited.of({ listener: 'web' }).value >= 4, true);
  assert.deepEqual((await statuses(others)).filter((status) => status === 429).length, 8);
  auth.answer = (call) => respond(call, '{}');
  await until(() => calls() === 0);
  assert.equal((await client.call('ListDatabases', { cookie: COOKIE })).status, 200);
});

test('calls that are begun and left by the hundred neither reach Auth by the hundred nor end what others have open', async () => {
  const stayed = new WebClient(here.port);
  auth.answer = (call) => {
    if (call.path.endsWith('WatchSessions')) respondStream(call).write(envelope('{}'));
    else if (call.path.endsWith('GetSignInOptions')) respond(call, '{}');
  };
  const watching = stayed.open(rpcPath('WatchSessions'), {
    method: 'POST',
    headers: { ...pageHeaders(here.port, COOKIE), 'content-type': 'application/connect+json' },
  });
  watching.end(envelope('{}'));
  await once(watching, 'data');
  const attacker = new WebClient(here.port);
  const ended = closeOf(attacker.session);
  for (let n = 0; n < 1500 && !attacker.session.destroyed && !attacker.session.closed; n += 1) {
    const stream = attacker.open(rpcPath('Ping'), { method: 'POST', headers: pageHeaders(here.port) });
    stream.end('{}');
    stream.close(8);
    if (n % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await ended;
  assert.ok(auth.cancelled < 400, `${auth.cancelled} resets reached Auth`);
  assert.equal(watching.destroyed, false);
  await until(() => calls() === 1);
  assert.equal((await stayed.call('GetSignInOptions')).status, 200);
  stayed.close();
});

test('who announces large bodies with a made-up cookie and sends nothing takes no place from others', async () => {
  const headers = {
    ...pageHeaders(here.port, `__Host-tessera_session=${'x'.repeat(16)}`),
    'content-length': String(1024 * 1024),
  };
  const small = await TestGateway.start(cluster, {
    authPort: auth.port,
    limits: { maxWebBufferedBytes: 4 * 1024 * 1024, maxWebCallsPerSession: 64, handshakeTimeoutMs: 2000 },
  });
  const attacker = new WebClient(small.port);
  const greedy = Array.from({ length: 8 }, () =>
    attacker.open(rpcPath('Ping'), {
      method: 'POST',
      headers: { ...headers, origin: `https://localhost:${small.port}` },
    }),
  );
  const refused = await Promise.all(greedy.slice(1).map(answerOf));
  assert.deepEqual(new Set(refused.map(({ status }) => status)), new Set([429]));
  await until(() => small.webCalls() === 1);
  const other = new WebClient(small.port);
  // The same address: its own share is spent, and only that.
  assert.equal((await other.call('Ping')).status, 429);
  for (const stream of greedy) stream.close();
  await until(() => small.webCalls() === 0);
  assert.equal((await other.call('Ping')).status, 200);
  attacker.close();
  other.close();
  await small.close();
});
