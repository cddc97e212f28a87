// Attacks that need a browser: another site's pages, planted cookies, links that lead elsewhere after the sign-in, guesses at passwords.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import type { Cookie, Page } from 'playwright-core';
import type { AuthenticatorApp } from '../kit/authenticator-app.ts';
import { type Browser, noBrowser, openBrowser } from '../kit/browser.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import type { InPage } from '../kit/in-page.ts';
import { invitationLink } from '../kit/invitation.ts';
import { callFromPage } from '../kit/web-calls.ts';
import { rpcPath, WebClient } from '../kit/web-client.ts';
import { acceptInvitation, signedIn, signIn, signOut } from '../kit/web-person.ts';

const SESSION = '__Host-tessera_session';
const password = 'correct horse alice battery';

suite('attacks in a browser', { skip: noBrowser }, () => {
  let cluster: Cluster;
  let browser: Browser;
  let page: Page;
  let origin: string;
  let app: AuthenticatorApp;
  let evil: Server;
  let evilOrigin: string;
  const owned = new AsyncDisposableStack();

  before(async () => {
    cluster = await startCluster({
      agents: 0,
      authService: '  limits: {anonymous_rate_per_minute: 10000, anonymous_burst: 1000}\n',
    });
    owned.defer(() => cluster.close());
    const address = `localhost:${cluster.proxies[0]?.port}`;
    origin = `https://${address}`;
    browser = await openBrowser({ trusted: [address] });
    owned.defer(() => browser.close());
    page = browser.page;
    app = await acceptInvitation(page, await invitationLink(cluster, 'alice', ['--roles=editor,auditor']), password);
    evil = createServer((request, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(EVIL_PAGES[request.url ?? '']?.(origin) ?? '<!doctype html><title>evil</title><h1>evil</h1>');
    });
    evil.listen(0, '127.0.0.1');
    await once(evil, 'listening');
    owned.defer(() => {
      evil.closeAllConnections();
      evil.close();
    });
    // Another port of the same name: the same site for cookies, another origin for everything else.
    evilOrigin = `http://localhost:${(evil.address() as AddressInfo).port}`;
  });
  after(() => owned.disposeAsync());

  async function session(): Promise<Cookie | undefined> {
    return (await browser.context.cookies(origin)).find(({ name }) => name === SESSION);
  }

  test('the cookie is out of reach of scripts, of other sites and of clear text', async () => {
    const held = await session();
    assert.ok(held !== undefined);
    assert.deepEqual(
      [held.httpOnly, held.secure, held.sameSite, held.path, held.domain],
      [true, true, 'Strict', '/', 'localhost'],
    );
    assert.ok(held.expires > Date.now() / 1000 && held.expires < Date.now() / 1000 + 7 * 86_400);
    assert.equal(await page.evaluate(() => (globalThis as unknown as InPage).document.cookie), '');
    const kept = await page.evaluate(() =>
      JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]),
    );
    assert.ok(!kept.includes(held.value), 'the token is in no storage');
    assert.doesNotMatch(JSON.stringify(await callFromPage(page, 'GetMyself')), new RegExp(held.value));
  });

  test('sign-out ends it: the old cookie opens nothing', async () => {
    const old = await session();
    assert.ok(old !== undefined);
    await signOut(page);
    assert.equal(await session(), undefined);
    await browser.context.addCookies([old]);
    await page.goto(`${origin}/web/account`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal((await callFromPage(page, 'GetMyself')).status, 401);
    await browser.context.clearCookies();
  });

  test('a cookie planted before the sign-in is not the session after it', async () => {
    const planted = 'F'.repeat(43);
    await browser.context.addCookies([
      { name: SESSION, value: planted, url: origin, httpOnly: true, secure: true, sameSite: 'Strict' },
    ]);
    await page.goto(`${origin}/web/login`);
    await signIn(page, 'alice', { password, app });
    const held = await session();
    assert.ok(held !== undefined && held.value !== planted);
    using web = client();
    const cookie = `${SESSION}=${planted}`;
    assert.equal((await web.value.call('GetMyself', { cookie })).status, 401);
  });

  test('a page of another origin makes this browser do nothing', async () => {
    const before = await session();
    for (const path of ['/form', '/fetch', '/beacon', '/image']) {
      const other = await browser.context.newPage();
      await other.goto(`${evilOrigin}${path}`);
      await other.locator('#done').waitFor({ state: 'attached' });
      await other.waitForTimeout(300);
      const told = await other.locator('#done').textContent();
      assert.doesNotMatch(told ?? '', /alice|editor|clusterName/, path);
      await other.close();
    }
    assert.equal((await session())?.value, before?.value);
    assert.equal((await callFromPage(page, 'GetMyself')).status, 200, 'still signed in');
    assert.doesNotMatch(await cluster.tessera('get', 'user', '--format=json'), /mallory/);
  });

  test('no frame of another origin, nor of our own, shows the pages', async () => {
    const other = await browser.context.newPage();
    const refusals: string[] = [];
    other.on('console', (message) => refusals.push(message.text()));
    await other.goto(`${evilOrigin}/frame`);
    await other.waitForTimeout(1000);
    const frame = other.frames().find((each) => each !== other.mainFrame());
    const shown = await frame?.evaluate(() => (globalThis as unknown as InPage).document.body.textContent).catch(() => ''); // prettier-ignore
    assert.doesNotMatch(shown ?? '', /Databases|Home|Sign in/);
    assert.ok(
      refusals.some((text) => /frame-ancestors|X-Frame-Options/i.test(text)),
      refusals.join('\n'),
    );
    await other.close();
  });

  test('a link leads nowhere else after the sign-in', async (t) => {
    const host = new URL(evilOrigin).host;
    for (const next of [
      `//${host}/`,
      `https://${host}/`,
      `https:${host}`,
      `https:/${host}`,
      `\\\\${host}\\`,
      `/\\${host}`,
      `/web/..//${host}/`,
      `/web/../../${host}`,
      `/web/%2e%2e//${host}`,
      `/web//${host}`,
      `/web/\t//${host}`,
      `/web/@${host}`,
      'javascript:document.title=1',
      ' javascript:document.title=1',
      'data:text/html,x',
      `%2f%2f${host}`,
      '/v1/webapi/oidc/callback',
      '/web/login?next=//x',
      `${origin}@${host}/`,
    ]) {
      await t.test(next, async () => {
        await browser.context.clearCookies();
        await page.goto(`${origin}/web/login?next=${encodeURIComponent(next)}`);
        await page.getByLabel('User name').waitFor();
        // Where the page goes after a sign-in that worked: answers that say so are enough for that.
        const left = page.waitForRequest((request) => request.isNavigationRequest());
        await pretendSignIn(page);
        const { origin: at, pathname } = new URL((await left).url());
        assert.equal(at, origin);
        assert.match(pathname, /^\/web\//);
        await page.unrouteAll({ behavior: 'ignoreErrors' });
      });
    }
  });

  test('and does lead to one of our own pages', async () => {
    await browser.context.clearCookies();
    await page.goto(`${origin}/web/login?next=${encodeURIComponent('/web/account')}`);
    await signIn(page, 'alice', { password, app });
    assert.equal(new URL(page.url()).pathname, '/web/account');
  });

  test('whether a user exists is not told: same words, same status, same number of steps', async () => {
    await signOut(page);
    const told: string[][] = [];
    for (const user of ['alice', 'nobody-of-this-name']) {
      const answers: string[] = [];
      page.on('response', (response) => {
        if (response.url().includes('/webapi/rpc/')) answers.push(`${response.status()} ${new URL(response.url()).pathname}`); // prettier-ignore
      });
      await page.goto(`${origin}/web/login`);
      await page.getByLabel('User name').fill(user);
      await page.getByLabel('Password', { exact: true }).fill('wrong password of length');
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await page.getByLabel('One-time code').or(page.getByRole('alert')).first().waitFor();
      if ((await page.getByLabel('One-time code').count()) > 0) {
        await page.getByLabel('One-time code').fill('000000');
        await page.getByRole('button', { name: 'Sign in', exact: true }).click();
        await page.getByRole('alert').first().waitFor();
      }
      told.push([...answers, await page.getByRole('alert').first().innerText()]);
      page.removeAllListeners('response');
    }
    assert.deepEqual(told[0], told[1]);
    assert.match(told[0]?.at(-1) ?? '', /wrong user, password or one-time code/i);
  });

  test('guesses lock the account after some, with words, also for the right password', async () => {
    const link = await invitationLink(cluster, 'brute', ['--roles=access']);
    await browser.context.clearCookies();
    const brute = await acceptInvitation(page, link, 'correct horse brute battery');
    await signOut(page);
    using web = client();
    for (let guess = 0; guess < 5; guess += 1) {
      const begun = await web.value.call('BeginWebSignIn', { body: JSON.stringify({ user: 'brute', password: `wrong ${guess}` }) }); // prettier-ignore
      const { attempt = '' } = JSON.parse(begun.body.toString()) as { readonly attempt?: string };
      if (begun.status === 200)
        await web.value.call('FinishWebSignIn', { body: JSON.stringify({ attempt, oneTimeCode: '000000' }) });
    }
    await page.goto(`${origin}/web/login`);
    await page.getByLabel('User name').fill('brute');
    await page.getByLabel('Password', { exact: true }).fill('correct horse brute battery');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByLabel('One-time code').or(page.getByRole('alert')).first().waitFor();
    if ((await page.getByLabel('One-time code').count()) > 0) {
      await page.getByLabel('One-time code').fill(await brute.code());
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    }
    await page.getByRole('alert').first().waitFor();
    assert.equal(await session(), undefined);
    const found = await cluster.tessera('audit', 'search', '--event=user.lockout', '--format=json');
    assert.match(found, /TUL00W/);
    assert.match(found, /brute/);
    process.stderr.write(`  after five wrong passwords the page says: ${(await page.getByRole('alert').first().innerText()).replaceAll('\n', ' ')}\n`); // prettier-ignore
  });

  test("another person's sign-in is not touched by it", async () => {
    await browser.context.clearCookies();
    await page.goto(`${origin}/web/login`);
    await signIn(page, 'alice', { password, app });
    await signedIn(page);
  });

  test('paths below the pages give the pages or nothing', async () => {
    using web = client();
    for (const path of [
      '/web/../package.json',
      '/web/%2e%2e%2fpackage.json',
      '/web/assets/../../package.json',
      '/web/assets/',
      '/web/.vite/manifest.json',
      '/package.json',
    ]) {
      const { status, body } = await web.value.request(path);
      assert.ok(status === 404 || status === 303 || status === 308, `${path}: ${status}`);
      assert.doesNotMatch(body.toString(), /"dependencies"|src\/main/);
    }
  });

  test('no page complained', () => {
    const evils = /frame-ancestors|X-Frame-Options|CORS|ERR_FAILED|ERR_BLOCKED_BY_RESPONSE|Framing|chrome-error/i;
    const ours = browser.complaints.filter((line) => !evils.test(line));
    assert.deepEqual(ours, []);
  });

  function client(): { readonly value: WebClient; [Symbol.dispose](): void } {
    const value = new WebClient(cluster.proxies[0]?.port ?? 0);
    return { value, [Symbol.dispose]: () => value.close() };
  }

  /** The form as a person sends it, with answers that say that all is well: what counts here is where the page goes then. */
  async function pretendSignIn(on: Page): Promise<void> {
    const json = (body: object) => ({ status: 200, contentType: 'application/json', body: JSON.stringify(body) });
    await on.route(`**${rpcPath('BeginWebSignIn')}`, (route) =>
      route.fulfill(json({ attempt: 'x', secondFactors: ['otp'], oneTimeCode: true })),
    );
    await on.route(`**${rpcPath('FinishWebSignIn')}`, (route) => route.fulfill(json({ user: 'alice' })));
    await on.getByLabel('User name').fill('alice');
    await on.getByLabel('Password', { exact: true }).fill(password);
    await on.getByRole('button', { name: 'Sign in', exact: true }).click();
    await on.getByLabel('One-time code').fill('123456');
    await on.getByRole('button', { name: 'Sign in', exact: true }).click();
  }
});

const ADD_USER = JSON.stringify({ json: JSON.stringify({ kind: 'user', version: 'v2', metadata: { name: 'mallory' }, spec: { roles: ['editor'] } }) }); // prettier-ignore

/** What the other origin serves: each tries to act with the cookie of whoever comes by, and leaves an element `done`. */
const EVIL_PAGES: Readonly<Record<string, (target: string) => string>> = {
  '/form': (target) =>
    html(
      `<form method=post enctype=text/plain target=hole action="${target}${rpcPath('AddUser')}"><input name='${ADD_USER.slice(0, -1)}, "x":"' value='"}'></form><form method=post target=hole action="${target}${rpcPath('EndWebSession')}"></form><iframe name=hole></iframe>`,
      'for (const form of document.forms) form.submit(); done("")',
    ),
  '/fetch': (target) =>
    html(
      '',
      `const told = []; for (const [method, body] of [['AddUser', ${JSON.stringify(ADD_USER)}], ['GetMyself', '{}'], ['EndWebSession', '{}']]) for (const mode of ['cors', 'no-cors']) for (const headers of [{}, {'content-type': 'application/json', 'x-tessera-web': '1'}]) await fetch('${target}/webapi/rpc/tessera.auth.v1.AuthService/' + method, {method: 'POST', mode, headers, body, credentials: 'include'}).then(async (answer) => told.push(await answer.text()), () => undefined); done(told.join())`,
    ),
  '/beacon': (target) =>
    html(
      '',
      `navigator.sendBeacon('${target}${rpcPath('EndWebSession')}', '{}'); navigator.sendBeacon('${target}${rpcPath('AddUser')}', new Blob([${JSON.stringify(ADD_USER)}], {type: 'text/plain'})); done('')`,
    ),
  '/image': (target) =>
    html(
      `<img src="${target}${rpcPath('EndWebSession')}"><script src="${target}${rpcPath('GetMyself')}"></script>`,
      'done("")',
    ),
  '/frame': (target) => html(`<iframe src="${target}/web/" width=800 height=600></iframe>`, 'done("")'),
};

function html(body: string, script: string): string {
  return `<!doctype html><title>evil</title><body>${body}<script type=module>const done = (text) => { const p = document.createElement('p'); p.id = 'done'; p.textContent = text; document.body.append(p); }; ${script}</script>`;
}
