// Attacks on the web end of a whole cluster: what a browser of a signed-in person must not be made to do, what a stranger must not get, what must not be in the log.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { URI } from 'otpauth';
import { runOk } from '../kit/command.ts';
import { dialRaw, secure } from '../kit/gateway.ts';
import { invitationLink } from '../kit/invitation.ts';
import { startService, top, type ServiceProcess } from '../kit/service-process.ts';
import { answerOf, rawHttp, rpcPath, WebClient, type WebAnswer } from '../kit/web-client.ts';
import { webClusterConfig } from '../kit/web-cluster-config.ts';
import { freePort } from '../servers/postgres.ts';

const PASSWORD = 'correct horse web battery';

suite('attacks on the web end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-web-attacks-'));
  let service: ServiceProcess;
  let port: number;
  let web: WebClient;
  let invitation: string;
  let totp: { generate(options: { timestamp: number }): string };
  let step = 0;
  const secrets: string[] = [];
  let cookie: string;

  before(async () => {
    const diagnostics = `127.0.0.1:${await freePort()}`;
    port = await freePort();
    service = startService('web', folder, webClusterConfig(folder, await freePort(), port, diagnostics), diagnostics);
    await service.ready();
    web = new WebClient(port);
    const link = await invitationLink({ tessera }, 'alice', ['--roles=access']);
    invitation = link.slice(link.lastIndexOf('/') + 1);
    cookie = await accept();
  });
  after(async () => {
    web.close();
    await service.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('the session is the person, and nobody without it is', async () => {
    assert.equal((jsonOf(await web.call('GetMyself', { cookie })) as { user: string }).user, 'alice');
    for (const other of [undefined, `__Host-tessera_session=${'A'.repeat(43)}`, cookie.replace('__Host-', '')])
      assert.equal((await web.call('GetMyself', other === undefined ? {} : { cookie: other })).status, 401);
  });

  const FORGED: readonly [name: string, headers: http2.OutgoingHttpHeaders][] = [
    ['a page of another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['a page of another port', { origin: 'https://localhost:1', 'sec-fetch-site': 'same-site' }],
    ['a sandboxed frame', { origin: 'null' }],
    ["a form's content type", { 'content-type': 'text/plain', origin: 'https://evil.example' }],
    ['without the header', { 'x-tessera-web': '0' }],
    ['a name that was made to point here', { ':authority': `evil.example:${'1'}`, origin: 'https://evil.example:1' }],
  ];
  for (const [name, headers] of FORGED) {
    test(`a signed-in browser does nothing for ${name}`, async () => {
      const answer = await web.call('EndWebSession', { cookie, headers });
      assert.ok([403, 415, 421].includes(answer.status), String(answer.status));
      assert.equal(answer.headers['set-cookie'], undefined);
      assert.equal((await web.call('GetMyself', { cookie })).status, 200);
    });
  }

  test('headers that only a proxy may send count for nothing when a browser sends them', async () => {
    const token = cookie.slice(cookie.indexOf('=') + 1);
    const headers = { 'tessera-web-session': token, 'tessera-client-address': '203.0.113.9', 'tessera-web': '0' };
    assert.equal((await web.call('GetMyself', { headers })).status, 401);
    await web.call('BeginWebSignIn', { headers, body: JSON.stringify({ user: 'nobody-here', password: 'x' }) });
    const found = await tessera('audit', 'search', '--format=json', '--limit=50');
    assert.doesNotMatch(found, /203\.0\.113\.9/);
  });

  test('nor does anybody who speaks to Auth himself, with a stolen cookie', async () => {
    const socket = await secure(await dialRaw(port), {
      ALPNProtocols: ['tessera-auth'],
      servername: 'auth.tessera.internal',
    });
    const session = http2.connect('https://auth.tessera.internal', { createConnection: () => socket });
    session.on('error', () => undefined);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/tessera.auth.v1.AuthService/GetMyself',
      'content-type': 'application/json',
      'tessera-web': '1',
      'tessera-web-session': cookie.slice(cookie.indexOf('=') + 1),
      'tessera-client-address': '127.0.0.1',
      'tessera-web-origin': `https://localhost:${port}`,
    });
    stream.end('{}');
    const answer = await answerOf(stream);
    session.destroy();
    assert.ok(answer.status === 401 || answer.status === 403, String(answer.status));
    assert.doesNotMatch(answer.body.toString(), /alice/);
  });

  test('methods of services, of tsh and of nobody are not there, whoever asks', async () => {
    for (const method of [
      'Heartbeat',
      'Watch',
      'IngestAudit',
      'FinishSso',
      'IssueUserCertificate',
      'SignIn',
      'Join',
      'Nothing',
    ]) {
      const answer = await web.call(method, { cookie });
      assert.equal(answer.status, 404, method);
    }
    const refused = await web.call('PutResource', { cookie, body: '{"json":"{}"}' });
    assert.equal(refused.status, 403);
  });

  test('a cookie of before the sign-in is not the session after it, and ends with it', async () => {
    const planted = `__Host-tessera_session=${'F'.repeat(43)}`;
    const fresh = await signIn(planted);
    assert.notEqual(fresh, planted);
    assert.equal((await web.call('GetMyself', { cookie: planted })).status, 401);
    const next = await signIn(fresh);
    assert.equal((await web.call('GetMyself', { cookie: fresh })).status, 401);
    assert.equal((await web.call('GetMyself', { cookie: next })).status, 200);
    const out = await web.call('EndWebSession', { cookie: next });
    assert.equal(out.status, 200);
    assert.match(
      String(out.headers['set-cookie']),
      /^__Host-tessera_session=; Path=\/; Max-Age=0; Secure; HttpOnly; SameSite=Strict$/,
    );
    assert.equal((await web.call('GetMyself', { cookie: next })).status, 401);
  });

  test('callbacks with garbage give no session and lead to the sign-in page, with a code alone', async () => {
    const big = `SAMLResponse=${'A'.repeat(1000)}`;
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://idp.example' };
    const answers = [
      await web.request('/v1/webapi/oidc/callback'),
      await web.request('/v1/webapi/oidc/callback?code=x&state=y'),
      await web.request(`/v1/webapi/oidc/callback?state=${'%00'.repeat(500)}`),
      await web.request('/v1/webapi/github/callback?error=access_denied&error_description=<script>'),
      await web.request('/v1/webapi/saml/acs/none', { method: 'POST', headers: form, body: big }),
      await web.request('/v1/webapi/saml/acs', { method: 'POST', headers: form, body: '<!DOCTYPE x>' }),
    ];
    for (const answer of answers) {
      assert.ok(answer.status === 303 || (answer.status >= 400 && answer.status < 500), String(answer.status));
      if (answer.status === 303) assert.match(String(answer.headers['location']), /^\/web\/login\?error=[A-Z0-9_]+$/);
      assert.doesNotMatch(String(answer.headers['set-cookie'] ?? ''), /tessera_session=[^;]/);
      assert.doesNotMatch(answer.body.toString(), /script/);
    }
  });

  test('large bodies are refused at the proxy; nothing is answered to who asks across origins', async () => {
    assert.equal((await web.call('BeginWebSignIn', { body: Buffer.alloc(40_000, 0x20) })).status, 413);
    assert.equal((await web.call('CheckResource', { cookie, body: Buffer.alloc(1_100_000, 0x20) })).status, 413);
    const asked = await web.request(rpcPath('GetMyself'), {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example' },
    });
    for (const name of Object.keys(asked.headers)) assert.doesNotMatch(name, /^access-control/);
  });

  test('paths and request smuggling get nothing', async () => {
    for (const path of [
      '/web/../../package.json',
      '/web/%2e%2e/%2e%2e/etc/passwd',
      '/web//etc/passwd',
      '/web/..%5c..%5cx',
    ])
      assert.equal((await web.request(path)).status, 404);
    const smuggled = await rawHttp(
      port,
      `POST ${rpcPath('Ping')} HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\nX-Tessera-Web: 1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /webapi/ping HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    assert.doesNotMatch(smuggled, /cluster_name/);
  });

  test("the session is Auth's: it outlives the proxy", async () => {
    web.close();
    assert.equal(await service.stop('SIGTERM'), 0);
    service.start();
    await service.ready();
    web = new WebClient(port);
    assert.equal((await web.call('GetMyself', { cookie })).status, 200);
  });

  test('no secret of all this is in the log, at its most talkative', () => {
    const log = service.log();
    assert.match(log, /web: a call was refused/);
    assert.ok(secrets.length > 4);
    for (const secret of [...secrets, PASSWORD, invitation]) assert.ok(!log.includes(secret), 'a secret is in the log');
  });

  /** Accepts the invitation at the web API: a password, an authenticator app, and the session's cookie. */
  async function accept(): Promise<string> {
    const started = jsonOf(await web.call('StartInvite', { body: JSON.stringify({ token: invitation }) })) as {
      readonly oneTimeCodeUri: string;
    };
    totp = URI.parse(started.oneTimeCodeUri) as typeof totp;
    const answer = await web.call('AcceptInvite', {
      body: JSON.stringify({ token: invitation, password: PASSWORD, oneTimeCode: code() }),
    });
    return sessionOf(answer);
  }

  async function signIn(before: string): Promise<string> {
    const begun = jsonOf(
      await web.call('BeginWebSignIn', { cookie: before, body: JSON.stringify({ user: 'alice', password: PASSWORD }) }),
    ) as { readonly attempt: string };
    secrets.push(begun.attempt);
    const answer = await web.call('FinishWebSignIn', {
      cookie: before,
      body: JSON.stringify({ attempt: begun.attempt, oneTimeCode: await freshCode() }),
    });
    return sessionOf(answer);
  }

  /** The cookie of an answer, with the attributes that it must have. */
  function sessionOf(answer: WebAnswer): string {
    assert.equal(answer.status, 200, answer.body.toString());
    const [set = ''] = answer.headers['set-cookie'] ?? [];
    const found =
      /^(__Host-tessera_session=([\w-]{43})); Path=\/; Max-Age=[1-9]\d*; Secure; HttpOnly; SameSite=Strict$/.exec(set);
    assert.ok(found?.[1] !== undefined && found[2] !== undefined, set);
    secrets.push(found[2]);
    assert.doesNotMatch(
      answer.body.toString() + JSON.stringify({ ...answer.headers, 'set-cookie': '' }),
      new RegExp(found[2]),
    );
    return found[1];
  }

  function code(): string {
    step = Math.max(Math.floor(Date.now() / 30_000) - 1, step + 1);
    return totp.generate({ timestamp: step * 30_000 });
  }

  /** Auth takes the codes of the half minutes before and behind, each once; later ones come in time. */
  async function freshCode(): Promise<string> {
    while (Math.floor(Date.now() / 30_000) + 1 <= step) await new Promise((resolve) => setTimeout(resolve, 250));
    return code();
  }

  function tessera(...args: string[]): Promise<string> {
    return runOk(process.execPath, ['--disable-warning=ExperimentalWarning', join(top, 'bin/tessera.ts'), ...args], {
      env: { TESSERA_CONFIG: service.configFile, TESSERA_HOME: join(folder, 'no-home') },
    });
  }
});

function jsonOf(answer: WebAnswer): unknown {
  assert.equal(answer.status, 200, answer.body.toString());
  return JSON.parse(answer.body.toString());
}
