// Who may only look, and who may only use: pages without buttons for what is not theirs, and an API that refuses the same calls when a script in the page makes them.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Page } from 'playwright-core';
import { AuthService } from '../../gen/tessera/auth/v1/auth_pb.ts';
import { PERMISSIONS } from '../../src/rpc/permissions.ts';
import { type Browser, noBrowser, openBrowser } from '../kit/browser.ts';
import { invitationLink } from '../kit/invitation.ts';
import { liveALittle, openShowcase, type Showcase } from '../kit/showcase.ts';
import { callFromPage, type PageAnswer, streamFromPage } from '../kit/web-calls.ts';
import { settled, shown, visit } from '../kit/web-pages.ts';
import { acceptInvitation } from '../kit/web-person.ts';
import { findPsql } from '../servers/postgres-binaries.ts';

type Method = keyof typeof PERMISSIONS;

/** What each may call although it is administration; every other method of that kind must refuse. */
const AUDITOR_MAY: readonly Method[] = ['searchAudit', 'followAudit', 'countAudit', 'status', ...ownSessions()];
const DEVELOPER_MAY: readonly Method[] = ownSessions();

/** Requests that would do something if they were let through. */
const REQUESTS: { readonly [method in Method]?: object } = {
  getResource: { kind: 'user', name: 'ada' },
  listResources: { kind: 'user' },
  putResource: { json: role('mine', '*'), mode: 2 },
  deleteResource: { kind: 'role', name: 'shop-reader' },
  addUser: { json: JSON.stringify({ kind: 'user', version: 'v2', metadata: { name: 'mallory' }, spec: { roles: ['editor'] } }) }, // prettier-ignore
  resetUser: { user: 'ada' },
  addToken: { roles: ['db'] },
  exportAuthority: { type: 'user' },
  explainAccess: { user: 'ada' },
  startSsoTest: { json: '{}' },
  getSsoTest: { testId: 'x' },
};

/** Words of buttons that change something. */
const CHANGES = /^(add|new|create|edit|save|delete|remove|lock|unlock|reset|end|terminate|invite|enrol|update)\b/i;

suite('who may only look, and who may only use', { skip: noBrowser }, () => {
  let showcase: Showcase;
  let auditor: Browser;
  let developer: Browser;
  let origin: string;
  let live: string;
  const owned = new AsyncDisposableStack();

  before(async () => {
    // Refusals are limited as sign-ins are; here are far more of them than anybody has in a minute.
    showcase = await openShowcase(() => undefined, {
      authService: '  limits: {anonymous_rate_per_minute: 10000, anonymous_burst: 1000}\n',
    });
    owned.defer(() => showcase.close());
    origin = `https://${showcase.address}`;
    const activity = await liveALittle(showcase);
    owned.defer(() => activity.end());
    [auditor, developer] = await Promise.all([
      openBrowser({ trusted: [showcase.address] }),
      openBrowser({ trusted: [showcase.address] }),
    ]);
    owned.defer(() => auditor.close());
    owned.defer(() => developer.close());
    const invited = await invitationLink(showcase.cluster, 'dev', ['--roles=access,shop-reader', '--db-users=reader', '--db-names=*']); // prettier-ignore
    await Promise.all([
      acceptInvitation(auditor.page, showcase.invitations.reviewer, 'correct horse grace battery'),
      acceptInvitation(developer.page, invited, 'correct horse dev battery'),
    ]);
    const listed = await callFromPage(auditor.page, 'ListSessions');
    live = /"sessionId":"([^"]+)"/.exec(listed.text)?.[1] ?? '';
  });
  after(() => owned.disposeAsync());

  test('an auditor: navigation has what is theirs', async () => {
    assert.deepEqual(await places(auditor.page, origin), ['Home', 'Databases', 'Sessions', 'Audit log', 'Locks']);
  });

  test('a developer: databases and their own sessions', async () => {
    assert.deepEqual(await places(developer.page, origin), ['Home', 'Databases', 'Sessions']);
  });

  test('an auditor: no page has a button that changes something', async (t) => {
    for (const path of ['', 'databases', 'sessions', 'sessions?tab=past', 'audit', 'locks']) {
      await t.test(path === '' ? 'home' : path, async () => {
        await visit(auditor.page, origin, { name: path, path });
        assert.deepEqual(await changing(auditor.page), []);
      });
    }
  });

  test('an auditor sees every session and statement, and ends none', { skip: skipPsql() }, async () => {
    assert.notEqual(live, '', 'a session is live');
    const { page } = auditor;
    await visit(page, origin, { name: 'sessions', path: 'sessions' });
    await page.getByText('pg_sleep(600)').first().waitFor();
    await visit(page, origin, { name: 'audit', path: 'audit?user=alice&range=all' });
    await page.getByText('order_items').first().waitFor();
    await refused(callFromPage(page, 'TerminateSession', { sessionId: live, message: 'no' }));
    // What they do not see is answered as what does not exist.
    const [theirs, nobodys] = [live, '00000000-0000-4000-8000-000000000000'];
    const hidden = await callFromPage(developer.page, 'TerminateSession', { sessionId: theirs, message: 'no' });
    const absent = await callFromPage(developer.page, 'TerminateSession', { sessionId: nobodys, message: 'no' });
    assert.equal(hidden.code, 'not_found');
    assert.equal(hidden.text.replace(theirs, nobodys), absent.text);
    assert.match((await callFromPage(page, 'ListSessions')).text, new RegExp(live));
  });

  test("a developer sees nobody else's sessions", async () => {
    const { text } = await callFromPage(developer.page, 'ListSessions');
    assert.doesNotMatch(text, /"user"/);
    const { text: streamed } = await streamFromPage(developer.page, 'WatchSessions');
    assert.doesNotMatch(streamed, /"user"|pg_sleep/);
    await visit(developer.page, origin, { name: 'sessions', path: 'sessions' });
    assert.equal(await developer.page.getByText('pg_sleep').count(), 0);
  });

  test('a developer finds a database and how to connect, and no way to add one', async () => {
    const { page } = developer;
    await visit(page, origin, { name: 'databases', path: 'databases' });
    await page.getByRole('button', { name: 'Connect to orders' }).waitFor();
    assert.deepEqual(await changing(page), []);
  });

  for (const path of ['users', 'roles', 'tokens', 'connectors', 'settings', 'roles/shop-reader', 'users/ada']) {
    test(`/web/${path} typed into the address bar says who may`, async () => {
      for (const { page } of [auditor, developer]) {
        await page.goto(`${origin}/web/${path}`);
        await shown(page);
        await settled(page);
        await page
          .getByText(/your roles|not allow|may not|access denied/i)
          .first()
          .waitFor();
        assert.deepEqual(await changing(page), []);
        assert.doesNotMatch(await page.locator('main').innerText(), /Read the shop|client_secret|\bada\b.*editor/);
      }
    });
  }

  test('every method of administration and of services is refused to a script in the page', async (t) => {
    for (const [who, browser, may] of [
      ['auditor', () => auditor, AUDITOR_MAY],
      ['developer', () => developer, DEVELOPER_MAY],
    ] as const) {
      for (const [method, permission] of Object.entries(PERMISSIONS) as [Method, (typeof PERMISSIONS)[Method]][]) {
        if (permission.kind !== 'administration' && permission.kind !== 'service') continue;
        if (may.includes(method)) continue;
        await t.test(`${who}: ${method}`, async () => {
          const { page } = browser();
          const { name, methodKind } = AuthService.method[method];
          const ask = methodKind === 'unary' ? callFromPage : streamFromPage;
          const bodies = [{}, ...(REQUESTS[method] === undefined ? [] : [REQUESTS[method]])];
          for (const body of bodies) await refused(ask(page, name, body), permission.kind === 'service');
        });
      }
    }
  });

  test('methods that are never for a browser are not there', async () => {
    for (const [method, permission] of Object.entries(PERMISSIONS) as [Method, (typeof PERMISSIONS)[Method]][]) {
      if (!('web' in permission) || permission.web !== 'never') continue;
      await refused(callFromPage(auditor.page, AuthService.method[method].name), true);
    }
  });

  test('kinds that the auditor may not read are refused one by one; what they may is given', async () => {
    for (const kind of ['user', 'role', 'token', 'oidc', 'saml', 'github', 'cluster_auth_preference', 'authority'])
      await refused(callFromPage(auditor.page, 'ListResources', { kind }));
    for (const kind of ['db', 'db_server', 'lock'])
      assert.equal((await callFromPage(auditor.page, 'ListResources', { kind })).status, 200, kind);
    for (const kind of ['role', 'lock', 'user', 'db', 'token', 'oidc', 'cluster_auth_preference'])
      await refused(callFromPage(auditor.page, 'DeleteResource', { kind, name: 'carol-laptop' }));
    for (const kind of ['db', 'db_server', 'lock', 'user', 'role'])
      await refused(callFromPage(developer.page, 'ListResources', { kind }));
  });

  test('nothing of it happened', async () => {
    const roles = await showcase.cluster.tessera('get', 'role', '--format=json');
    assert.match(roles, /shop-reader/);
    assert.doesNotMatch(roles, /"mine"/);
    assert.doesNotMatch(await showcase.cluster.tessera('get', 'user', '--format=json'), /mallory/);
    assert.match(await showcase.cluster.tessera('get', 'lock', '--format=json'), /carol-laptop/);
  });

  test('the refusals are in the audit log', async () => {
    const found = await showcase.cluster.tessera('audit', 'search', '--user=grace', '--event=api.denied', '--format=json'); // prettier-ignore
    assert.match(found, /TAP00W/);
  });

  test('no page complained', () => assert.deepEqual([...auditor.complaints, ...developer.complaints], []));
});

/** `absent`: refused by the proxy as something that is not there at all. */
async function refused(asked: Promise<PageAnswer>, absent = false): Promise<void> {
  const answer = await asked;
  const said = `${answer.status} ${answer.text.slice(0, 300)}`;
  if (absent) assert.ok(answer.status === 404, said);
  else assert.match(answer.code, /^(permission_denied|unauthenticated|unimplemented)$/, said);
}

async function places(page: Page, origin: string): Promise<readonly string[]> {
  await page.goto(`${origin}/web/`);
  await shown(page);
  return page.getByRole('navigation').getByRole('link').allInnerTexts();
}

/** Names of buttons, and of links that look like them, that would change something. */
async function changing(page: Page): Promise<readonly string[]> {
  const names = await page
    .locator('main')
    .locator('button:visible, a:visible, [role=menuitem]:visible')
    .allInnerTexts();
  return names.map((name) => name.trim()).filter((name) => CHANGES.test(name));
}

// Their handlers look at whose session it is.
function ownSessions(): readonly Method[] {
  return ['listSessions', 'watchSessions', 'terminateSession'];
}

function role(name: string, user: string): string {
  const allow = { db_labels: { '*': '*' }, db_users: [user], db_names: ['*'] };
  return JSON.stringify({ kind: 'role', version: 'v8', metadata: { name }, spec: { allow } });
}

function skipPsql(): string | false {
  const psql = findPsql();
  return typeof psql === 'string' ? psql : false;
}
