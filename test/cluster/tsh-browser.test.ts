// tsh login by way of a browser against a whole service: the program that BROWSER names is told an address, and the person's browser, signed in at the web UI, answers there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { authenticatorApp } from '../kit/authenticator-app.ts';
import { runCommand, runOk, type Output } from '../kit/command.ts';
import { invitationLink } from '../kit/invitation.ts';
import { startService, top, type ServiceProcess } from '../kit/service-process.ts';
import { WebClient, type WebAnswer } from '../kit/web-client.ts';
import { webClusterConfig } from '../kit/web-cluster-config.ts';
import { freePort } from '../servers/postgres.ts';

suite('tsh login by way of a browser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-tsh-browser-'));
  const told = join(folder, 'address');
  const browser = join(folder, 'browser');
  let service: ServiceProcess;
  let port: number;
  let web: WebClient;
  let cookie: string;
  let pin: string;

  before(async () => {
    const diagnostics = `127.0.0.1:${await freePort()}`;
    port = await freePort();
    service = startService('web', folder, webClusterConfig(folder, await freePort(), port, diagnostics), diagnostics);
    await service.ready();
    web = new WebClient(port);
    writeFileSync(browser, `#!/bin/sh\nprintf '%s' "$1" > '${told}.new' && mv '${told}.new' '${told}'\n`, {
      mode: 0o755,
    });
    const link = await invitationLink({ tessera }, 'alice', ['--roles=access']);
    const token = link.slice(link.lastIndexOf('/') + 1);
    const { oneTimeCodeUri } = jsonOf<{ oneTimeCodeUri: string }>(await call('StartInvite', { token }));
    const oneTimeCode = await authenticatorApp(oneTimeCodeUri).code();
    const accepted = await call('AcceptInvite', { token, password: 'correct horse tsh battery', oneTimeCode });
    assert.equal(accepted.status, 200, accepted.body.toString());
    cookie = String(accepted.headers['set-cookie']).split(';')[0] ?? '';
    pin = /sha256:[0-9a-f]{64}/.exec(await tessera('status'))?.[0] ?? '';
  });
  after(async () => {
    web.close();
    await service.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('the browser opens, the person approves, tsh is signed in and stays so', async () => {
    const signingIn = tsh(['login', `--proxy=localhost:${port}`, `--ca-pin=${pin}`, '--browser=auto'], {
      BROWSER: browser,
    });
    const requestId = new URL(await appeared()).pathname.split('/').at(-1);
    const { redirectUrl } = jsonOf<{ redirectUrl: string }>(
      await call('DecideClientLogin', { requestId, approve: true }),
    );
    const page = await fetch(redirectUrl);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /Go back to the terminal/);
    const { code, stdout, stderr } = await signingIn;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Logged in as: +alice[\s\S]*Next: tsh db ls/);
    const [response = ''] = redirectUrl.split('response=').slice(1);
    assert.ok(!service.log().includes(response.slice(0, 200)), 'the sealed answer is in no log');
    const again = await tsh(['login']);
    assert.match(again.stdout, /Already signed in/);
    assert.equal((await tsh(['db', 'ls'])).code, 0);
  });

  test('a machine without a browser: a code that is typed elsewhere', async () => {
    const login = startTsh(['login', '--force', '--device']);
    const userCode = await login.said(/([A-Z]{4}-[A-Z]{4})/);
    assert.match(login.stderr(), new RegExp(`https://localhost:${port}/web/device`));
    const seen = jsonOf<{ requestId: string; clientAddress: string }>(await call('GetClientLogin', { userCode }));
    assert.equal(seen.clientAddress, '127.0.0.1');
    assert.equal((await call('DecideClientLogin', { requestId: seen.requestId, approve: true })).status, 200);
    assert.equal(await login.ended, 0, login.stderr());
    const events = await tessera('audit', 'search', '--format=json', '--limit=50');
    for (const name of ['user.headless_login.requested', 'user.headless_login.approved'])
      assert.ok(events.includes(name), name);
  });

  test('with --device nothing opens here, and a refusal is said in words', async () => {
    rmSync(told, { force: true });
    const login = startTsh(['login', '--force', '--device'], {
      BROWSER: browser,
    });
    const userCode = await login.said(/([A-Z]{4}-[A-Z]{4})/);
    const { requestId } = jsonOf<{ requestId: string }>(await call('GetClientLogin', { userCode }));
    await call('DecideClientLogin', { requestId, approve: false });
    assert.equal(await login.ended, 1);
    assert.match(login.stderr(), /refused in the browser/);
    assert.equal(existsSync(told), false);
    assert.equal((await tsh(['status'])).code, 0, 'the session of before is still there');
  });

  async function appeared(): Promise<string> {
    while (!existsSync(told)) await new Promise((resolve) => setTimeout(resolve, 20));
    return readFileSync(told, 'utf8');
  }

  function call(method: string, body: object): Promise<WebAnswer> {
    return web.call(method, { ...(cookie === undefined ? {} : { cookie }), body: JSON.stringify(body) });
  }

  function environment(more: Readonly<Record<string, string>>): Record<string, string> {
    return {
      HOME: folder,
      TESSERA_HOME: join(folder, '.tsh'),
      NO_COLOR: '1',
      SSH_CONNECTION: '',
      BROWSER: '',
      ...more,
    };
  }

  function tsh(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Output> {
    return runCommand(process.execPath, [...program('tsh'), ...args], { env: environment(env) });
  }

  function startTsh(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, [...program('tsh'), ...args], {
      env: { ...process.env, ...environment(env) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    const { promise: ended, resolve } = Promise.withResolvers<number | null>();
    child.once('close', resolve);
    const said = async (pattern: RegExp): Promise<string> => {
      for (;;) {
        const found = pattern.exec(stderr)?.[1];
        if (found !== undefined) return found;
        assert.equal(child.exitCode, null, stderr);
        await new Promise((again) => setTimeout(again, 20));
      }
    };
    return { ended, said, stderr: () => stderr };
  }

  function tessera(...args: string[]): Promise<string> {
    return runOk(process.execPath, [...program('tessera'), ...args], {
      env: { TESSERA_CONFIG: service.configFile, TESSERA_HOME: join(folder, 'no-home') },
    });
  }
});

function program(name: string): string[] {
  return ['--disable-warning=ExperimentalWarning', join(top, `bin/${name}.ts`)];
}

function jsonOf<T>(answer: WebAnswer): T {
  assert.equal(answer.status, 200, answer.body.toString());
  return JSON.parse(answer.body.toString()) as T;
}
