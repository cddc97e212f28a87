import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { create } from '@bufbuild/protobuf';
import { FinishSsoResponseSchema } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { TestCluster, TestGateway, until } from '../../../test/kit/gateway.ts';
import { answerOf, rawHttp, WebClient } from '../../../test/kit/web-client.ts';
import { LoginError } from '../../errors.ts';
import { toConnectError } from '../../rpc/errors.ts';
import { redirectTarget, type SsoCalls } from './web-sso.ts';

const TOKEN = 'T'.repeat(43);
const BINDING = 'B'.repeat(43);
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

type Request = Parameters<SsoCalls['finishSso']>[0];
const asked: Request[] = [];
let finish: () => { redirectUrl: string; sessionToken?: string; sessionSeconds?: number };
let cluster: TestCluster;
let here: TestGateway;
let client: WebClient;
before(async () => {
  cluster = await TestCluster.create();
  here = await TestGateway.start(cluster, { sso: standIn(), limits: { webCallbacksPerMinute: 200 } });
  client = new WebClient(here.port);
});
after(async () => {
  client.close();
  await here.close();
});
afterEach(() => void (asked.length = 0));

/** A stand-in for what Auth answers. */
function standIn(): SsoCalls {
  return {
    finishSso: (request) => {
      asked.push(request);
      return Promise.resolve().then(() => create(FinishSsoResponseSchema, finish()));
    },
    getSamlMetadata: ({ connector }) =>
      connector === 'okta'
        ? Promise.resolve({ xml: '<md:EntityDescriptor/>' })
        : Promise.reject(new ConnectError('no such connector', Code.NotFound)),
  };
}

test("a provider's answer goes to Auth as it came, and the browser goes on with its session", async () => {
  finish = () => ({ redirectUrl: '/web/databases?x=1', sessionToken: TOKEN, sessionSeconds: 60 });
  const rows: readonly [string, object, Partial<Request>][] = [
    [
      '/v1/webapi/oidc/callback?code=a%20b&state=c&x=<>',
      {},
      { kind: 'oidc', connector: '', parameters: 'code=a%20b&state=c&x=<>' },
    ],
    ['/v1/webapi/github/callback?code=1', {}, { kind: 'github', parameters: 'code=1' }],
    ['/v1/webapi/oidc/callback/corp?code=1', {}, { kind: 'oidc', connector: 'corp', parameters: 'code=1' }],
    [
      '/v1/webapi/github/callback/hub?code=1',
      { headers: { 'user-agent': 'Fire/1.0' } },
      { kind: 'github', connector: 'hub', userAgent: 'Fire/1.0' },
    ],
    [
      '/v1/webapi/saml/acs/okta',
      { method: 'POST', headers: FORM, body: 'SAMLResponse=a%2B&RelayState=b' },
      { kind: 'saml', connector: 'okta', parameters: 'SAMLResponse=a%2B&RelayState=b' },
    ],
    [
      '/v1/webapi/saml/acs',
      {
        method: 'POST',
        headers: { ...FORM, origin: 'https://idp.example', 'sec-fetch-site': 'cross-site' },
        body: 'x=1',
      },
      { kind: 'saml', connector: '', parameters: 'x=1' },
    ],
  ];
  for (const [path, request, expected] of rows) {
    const given = request as { readonly headers?: object };
    const answer = await client.request(path, {
      ...request,
      headers: { ...given.headers, cookie: `a=1; __Host-tessera_sso=${BINDING}` },
    });
    assert.equal(answer.status, 303);
    assert.equal(answer.headers['location'], '/web/databases?x=1');
    assert.deepEqual(answer.headers['set-cookie'], [
      `__Host-tessera_session=${TOKEN}; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict`,
      '__Host-tessera_sso=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=None',
    ]);
    const call = asked.at(-1);
    assert.ok(call !== undefined);
    for (const [name, value] of Object.entries(expected)) assert.equal(call[name as keyof Request], value);
    assert.deepEqual(
      [call.binding, call.clientAddress, call.origin],
      [BINDING, '127.0.0.1', `https://localhost:${here.port}`],
    );
  }
});

test('a sign-in for tsh goes to the program on this machine, without a session', async () => {
  finish = () => ({ redirectUrl: 'http://127.0.0.1:4321/secret?sealed=abc' });
  const answer = await client.request('/v1/webapi/oidc/callback?code=1');
  assert.equal(answer.headers['location'], 'http://127.0.0.1:4321/secret?sealed=abc');
  assert.doesNotMatch(String(answer.headers['set-cookie']), /tessera_session/);
  finish = () => ({ redirectUrl: 'http://127.0.0.1:4321/x', sessionToken: TOKEN, sessionSeconds: 60 });
  const both = await client.request('/v1/webapi/oidc/callback?code=1');
  assert.equal(both.headers['location'], undefined);
  assert.doesNotMatch(String(both.headers['set-cookie']), /tessera_session/);
});

const ELSEWHERE = [
  'https://evil.example/',
  '//evil.example/web/',
  '/\\evil.example/web/',
  '/web/\\..\\',
  '/web/../../evil',
  '/web/%2e%2e/x',
  '/webx/',
  '/web',
  '/',
  '',
  'web/',
  'javascript:alert(1)',
  'data:text/html,x',
  'https://127.0.0.1:1/',
  'http://127.0.0.1/',
  'http://127.0.0.1.evil.example:80/',
  'http://evil@127.0.0.1:5/',
  'http://127.0.0.1@evil.example:5/',
  'http://localhost.evil.example:5/',
  'http://10.0.0.1:5/',
  'http://0x7f.1.evil:5/',
  '/web/\r\nSet-Cookie: a=b',
  '/web/\nLocation: https://evil.example',
  '/web/ x',
  '/web/\u0000',
  '/web/\u2028x',
  'http://127.0.0.1:5/\r\nX: y',
  `/web/${'a'.repeat(70_000)}`,
];
for (const url of ELSEWHERE) {
  test(`no browser is sent to ${JSON.stringify(url).slice(0, 60)}`, async () => {
    finish = () => ({ redirectUrl: url, sessionToken: TOKEN, sessionSeconds: 60 });
    const answer = await client.request('/v1/webapi/oidc/callback?code=1');
    assert.equal(answer.headers['location'], undefined);
    assert.doesNotMatch(String(answer.headers['set-cookie']), /tessera_session=T/);
    assert.equal(answer.headers['x'], undefined);
    assert.equal(answer.status, 502);
  });
}

test('loopback addresses in every spelling that is one, and no other', () => {
  const origin = 'https://a.example';
  for (const url of ['http://127.0.0.1:5/x', 'http://[::1]:5/x', 'http://localhost:5/x'])
    assert.deepEqual(redirectTarget(url, origin), { type: 'loopback', url });
  assert.equal(redirectTarget('http://2130706433:5/x', origin)?.url, 'http://127.0.0.1:5/x');
  assert.deepEqual(redirectTarget('/web/a?b=c#d', origin), { type: 'page', url: '/web/a?b=c#d' });
});

test('a token that is no token becomes no cookie', async () => {
  for (const sessionToken of ['a; Domain=evil.example', 'x\r\ny', 'short']) {
    finish = () => ({ redirectUrl: '/web/', sessionToken, sessionSeconds: 60 });
    const answer = await client.request('/v1/webapi/oidc/callback?code=1');
    assert.equal(answer.status, 502);
    assert.doesNotMatch(String(answer.headers['set-cookie']), /tessera_session/);
  }
});

test('a refused sign-in leads to the sign-in page with a code and nothing else', async () => {
  finish = () => {
    throw toConnectError(new LoginError('SSO_REFUSED', 'group "secret-project" is in no mapping'), 'i');
  };
  const answer = await client.request('/v1/webapi/oidc/callback?code=1');
  assert.deepEqual([answer.status, answer.headers['location']], [303, '/web/login?error=SSO_REFUSED']);
  assert.doesNotMatch(JSON.stringify(answer.headers) + answer.body.toString(), /secret/);
  finish = () => {
    throw new Error('http://10.0.0.7:3025 refused');
  };
  const broken = await client.request('/v1/webapi/oidc/callback?code=1');
  assert.match(String(broken.headers['location']), /^\/web\/login\?error=[A-Z_]+$/);
  assert.doesNotMatch(JSON.stringify(broken.headers) + broken.body.toString(), /10\.0\.0\.7/);
});

const REFUSED: readonly [name: string, status: number, path: string, request: Parameters<WebClient['request']>[1]][] = [
  ['a form for OIDC', 405, '/v1/webapi/oidc/callback', { method: 'POST', headers: FORM, body: 'code=1' }],
  ['HEAD', 405, '/v1/webapi/oidc/callback?code=1', { method: 'HEAD' }],
  ['a query for SAML', 405, '/v1/webapi/saml/acs/okta?SAMLResponse=x', {}],
  [
    'JSON for SAML',
    415,
    '/v1/webapi/saml/acs/okta',
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' },
  ],
  [
    'a form that is too large',
    413,
    '/v1/webapi/saml/acs/okta',
    { method: 'POST', headers: FORM, body: 'x'.repeat(512 * 1024 + 1) },
  ],
  ['another host', 421, '/v1/webapi/oidc/callback?code=1', { headers: { ':authority': 'evil.example' } }],
  ['a connector that is no name', 404, '/v1/webapi/saml/acs/..%2fokta', { method: 'POST', headers: FORM }],
  ['a connector with a path', 404, '/v1/webapi/saml/acs/a/b', { method: 'POST', headers: FORM }],
  ['metadata of nobody', 404, '/v1/webapi/saml/metadata/', {}],
  ['another address', 404, '/v1/webapi/oidc/callback/', {}],
];
for (const [name, status, path, request] of REFUSED) {
  test(`a callback is refused before Auth hears of it: ${name}`, async () => {
    const answer = await client.request(path, request);
    assert.equal(answer.status, status);
    assert.equal(answer.headers['set-cookie'], undefined);
    assert.equal(asked.length, 0);
  });
}

test('metadata of a connector that is there, and of one that is not', async () => {
  const answer = await client.request('/v1/webapi/saml/metadata/okta');
  assert.deepEqual([answer.status, answer.body.toString()], [200, '<md:EntityDescriptor/>']);
  assert.equal(answer.headers['content-type'], 'application/samlmetadata+xml; charset=utf-8');
  const none = await client.request('/v1/webapi/saml/metadata/none');
  assert.equal(none.status >= 400, true);
  assert.doesNotMatch(none.body.toString(), /Entity/);
});

test('a binding that is forged twice is none, and a long query is refused by its size', async () => {
  finish = () => ({ redirectUrl: '/web/' });
  await client.request('/v1/webapi/oidc/callback?code=1', {
    headers: { cookie: `__Host-tessera_sso=${BINDING}; __Host-tessera_sso=${TOKEN}` },
  });
  assert.equal(asked.at(-1)?.binding, '');
  const long = await rawHttp(
    here.port,
    `GET /v1/webapi/oidc/callback?code=${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost:${here.port}\r\n\r\n`,
  );
  assert.match(long, /^(HTTP\/1\.1 4\d\d [^]*)?$/);
});

test('callbacks of one address are limited, also when the UI is off', async () => {
  const small = await TestGateway.start(cluster, { sso: standIn(), web: false, limits: { webCallbacksPerMinute: 3 } });
  const one = new WebClient(small.port);
  finish = () => {
    throw toConnectError(new LoginError('SSO_REFUSED', 'no'), 'i');
  };
  const statuses: number[] = [];
  for (let n = 0; n < 5; n += 1) statuses.push((await one.request('/v1/webapi/oidc/callback?code=1')).status);
  assert.deepEqual(statuses, [403, 403, 403, 429, 429]);
  assert.equal(small.instruments.rateLimited.of({ listener: 'web' }).value, 2);
  one.close();
  await small.close();
});

test("sign-ins at a provider that does not answer take only a part of the proxy's own calls to Auth", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let waiting = 0;
  const slow: SsoCalls = {
    ...standIn(),
    finishSso: async () => {
      waiting += 1;
      await promise;
      return create(FinishSsoResponseSchema, { redirectUrl: '/web/' });
    },
  };
  const there = await TestGateway.start(cluster, { sso: slow, limits: { webCallbacksPerMinute: 200 } });
  const one = new WebClient(there.port);
  const answers = Array.from({ length: 30 }, () => one.request('/v1/webapi/oidc/callback?code=1'));
  await until(() => there.instruments.rateLimited.of({ listener: 'web' }).value === 14);
  assert.equal(waiting, 16);
  resolve();
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  assert.deepEqual(
    [statuses.filter((one) => one === 303).length, statuses.filter((one) => one === 429).length],
    [16, 14],
  );
  assert.equal((await one.request('/v1/webapi/oidc/callback?code=1')).status, 303);
  one.close();
  await there.close();
});

test('forms that are announced and do not come take only a share of the room for them', async () => {
  const there = await TestGateway.start(cluster, {
    sso: standIn(),
    limits: { maxWebBufferedBytes: 4 * 1024 * 1024, webCallbacksPerMinute: 200, handshakeTimeoutMs: 3000 },
  });
  const one = new WebClient(there.port);
  const headers = { ...FORM, 'content-length': String(512 * 1024) };
  const slow = Array.from({ length: 5 }, () => one.open('/v1/webapi/saml/acs', { method: 'POST', headers }));
  const refused = await Promise.all(slow.slice(2).map(answerOf));
  assert.deepEqual(refused.map(({ status }) => status), [429, 429, 429]); // prettier-ignore
  one.close();
  await there.close();
});
