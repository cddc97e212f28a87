// Text by people who want the reader's browser to do something: in every audited field and every name that pages show. It is shown as text, everywhere, and so are exports.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Page } from 'playwright-core';
import { readAuditLog, waitForAudit } from '../kit/audit-log.ts';
import { type Browser, noBrowser, openBrowser } from '../kit/browser.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { runCommand } from '../kit/command.ts';
import type { InPage } from '../kit/in-page.ts';
import { invitationLink } from '../kit/invitation.ts';
import { callFromPage } from '../kit/web-calls.ts';
import { allPages, settled, shown, visit } from '../kit/web-pages.ts';
import { acceptInvitation } from '../kit/web-person.ts';
import { OIDC_CLIENT, type OidcServer, startOidc } from '../servers/oidc.ts';
import { findPsql, npmPostgres } from '../servers/postgres-binaries.ts';

const psql = findPsql();
const IMAGE = '<img src=x onerror=hit=1>';
/** Each tries something else; `hit` tells when one worked. */
const PAYLOADS: readonly string[] = [
  IMAGE,
  '<script>hit=1</script>',
  `'"><svg onload=hit=1>`,
  'javascript:hit=1//',
  '</title></textarea></script><script>hit=1</script>',
  '{{constructor.constructor("hit=1")()}}',
  '${hit=1}',
  '[click](javascript:hit=1)',
  '<iframe srcdoc="<script>top.hit=1</script>">',
  '<a href="https://evil.example/">evil</a><img src="https://evil.example/x.png">',
  '<style>@import "https://evil.example/x.css";</style>',
  'safe \u202egnp.exe\u202c \u2066hidden\u2069 zero\u200bwidth',
  '\u001b[2J\u001b]0;title\u0007\u001b[31mred',
  '=HYPERLINK("https://evil.example/","x")',
  '@SUM(1+1)*cmd|"/C calc"!A0',
  `long ${'<blink>'.repeat(2000)}`,
];
const ALL_IN_ONE = PAYLOADS.slice(0, 12).join(' ');

suite('hostile text', { skip: noBrowser }, () => {
  let cluster: Cluster;
  let browser: Browser;
  let page: Page;
  let origin: string;
  let provider: OidcServer;
  let sessionId = '';
  const elsewhere: string[] = [];
  const dialogs: string[] = [];
  const owned = new AsyncDisposableStack();

  before(async () => {
    cluster = await startCluster({
      postgres: npmPostgres(),
      labels: JSON.stringify({ env: 'test', note: IMAGE, more: PAYLOADS[2] }),
      authService: '  limits: {anonymous_rate_per_minute: 10000, anonymous_burst: 1000}\n',
    });
    owned.defer(() => cluster.close());
    const address = `localhost:${cluster.proxies[0]?.port}`;
    origin = `https://${address}`;
    provider = await startOidc({
      redirectUris: [`${origin}/v1/webapi/oidc/callback`],
      people: {
        mallory: { password: 'x', groups: ['dev', ...PAYLOADS.slice(0, 6)], name: IMAGE },
        [IMAGE]: { password: 'x', groups: ['dev'], name: IMAGE },
      },
    });
    owned.defer(() => provider.close());
    await createAll();
    sessionId = await liveHostile();
    browser = await openBrowser({ trusted: [address] });
    owned.defer(() => browser.close());
    page = browser.page;
    await browser.context.addInitScript(trap);
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (![origin, provider.issuer].includes(url.origin) && !/^(data|blob):$/.test(url.protocol)) elsewhere.push(url.href); // prettier-ignore
    });
    // A sign-in that names what is no user, and one at a provider with a name of its own making.
    await page.goto(`${origin}/web/login`);
    await page.getByLabel('User name').fill(IMAGE);
    await page.getByLabel('Password', { exact: true }).fill('wrong password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByLabel('One-time code').or(page.getByRole('alert')).first().waitFor();
  });
  after(() => owned.disposeAsync());

  test('the sign-in page: connectors, message of the day, what its address says', async () => {
    for (const search of [
      '',
      ...['error', 'next', 'user'].map((name) => `?${name}=${encodeURIComponent(ALL_IN_ONE)}`),
    ]) {
      await page.goto(`${origin}/web/login${search}`);
      await shown(page);
      await page.getByText(IMAGE).first().waitFor();
      await nothingHappened(page);
    }
  });

  test('at a provider: groups and names', async () => {
    for (const [name, works] of [
      [IMAGE, false],
      ['mallory', true],
    ] as const) {
      await browser.context.clearCookies();
      await page.goto(`${origin}/web/login`);
      await page.getByRole('button', { name: /^Continue with/ }).click();
      await page.waitForURL((url) => url.origin === provider.issuer);
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Password').fill('x');
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByRole('heading', { name: 'Allow' }).waitFor();
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.waitForURL((url) => url.origin === origin);
      await shown(page);
      assert.equal(new URL(page.url()).pathname.includes('login'), !works, name);
      await nothingHappened(page);
    }
    await visit(page, origin, { name: 'account', path: 'account' });
    await nothingHappened(page);
  });

  test('the invitation, and in as an administrator', async () => {
    await browser.context.clearCookies();
    const flags = ['--roles=editor,auditor,access', '--db-users=*', '--db-names=*'];
    await acceptInvitation(page, await invitationLink(cluster, 'root', flags), 'correct horse root battery');
    await nothingHappened(page);
  });

  test('every page', async (t) => {
    const sights = { sessionId, user: 'mallory', role: 'hostile', connector: 'oidc/company' };
    for (const one of allPages(sights)) {
      await t.test(one.name, async () => {
        await visit(page, origin, one);
        await nothingHappened(page);
      });
    }
  });

  for (const [path, text] of [
    ['databases', IMAGE],
    ['roles', IMAGE],
    ['locks', IMAGE],
    ['connectors', IMAGE],
  ] as const) {
    test(`it is shown as text: ${path}`, async () => {
      await visit(page, origin, { name: path, path });
      await page.locator('main').getByText(text).filter({ visible: true }).first().waitFor();
    });
  }

  test('every event in its drawer, one after the other', async () => {
    await visit(page, origin, { name: 'audit', path: 'audit?range=all' });
    await page.getByRole('listbox', { name: /^Events/ }).focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    const drawer = page.getByRole('dialog');
    await drawer.waitFor();
    const most = Math.min(readAuditLog(cluster).length, 80);
    for (let step = 0; step < most; step += 1) {
      await page.keyboard.press('j');
      if (step % 10 === 0) await nothingHappened(page);
    }
    await nothingHappened(page);
  });

  test('a statement is readable, and what can not be seen is made visible', { skip: skipPsql() }, async () => {
    await visit(page, origin, { name: 'audit', path: `audit?range=all&user=mia&events=db.session.query` });
    const rows = await page.getByRole('listbox', { name: /^Events/ }).innerText();
    for (const payload of [IMAGE, '<script>hit=1</script>', 'javascript:hit=1//']) assert.ok(rows.includes(payload), payload); // prettier-ignore
    assert.doesNotMatch(rows, /[\u202e\u2066\u200b\u001b]/);
    await visit(page, origin, { name: 'session', path: `sessions/${sessionId}` });
    assert.doesNotMatch(await page.locator('main').innerText(), /[\u202e\u2066\u200b\u001b]/);
  });

  test('addresses that carry it', async () => {
    for (const payload of PAYLOADS.slice(0, 11)) {
      const quoted = encodeURIComponent(payload);
      for (const path of [
        `audit?text=${quoted}&user=${quoted}&database=${quoted}&session=${quoted}&events=${quoted}`,
        `roles/${quoted}`,
      ]) {
        await arrived(page, `${origin}/web/${path}`);
        await nothingHappened(page);
      }
    }
    for (const path of ['users', 'sessions', 'connectors/oidc', 'confirm', 'invite', 'databases?search=']) {
      await arrived(page, `${origin}/web/${path}${path.endsWith('=') ? '' : '/'}${encodeURIComponent(ALL_IN_ONE)}`);
      await settled(page);
      await nothingHappened(page);
    }
  });

  test('searched for by typing', async () => {
    await visit(page, origin, { name: 'audit', path: 'audit?range=all' });
    await page.getByRole('textbox', { name: 'Words' }).fill(ALL_IN_ONE.slice(0, 900));
    await page.getByRole('textbox', { name: 'Words' }).press('Enter');
    await page.waitForURL(/text=/);
    await settled(page);
    await nothingHappened(page);
  });

  test('the CSV of it starts no formula, and has every statement', { skip: skipPsql() }, async () => {
    const text = await exported('CSV');
    const cells = cellsOf(text);
    assert.ok(cells.length > 20);
    for (const cell of cells) assert.doesNotMatch(cell, /^\s*[=+\-@\t\r|%]/, cell.slice(0, 80));
    assert.ok(cells.some((cell) => cell.startsWith("'=HYPERLINK")));
    assert.ok(cells.some((cell) => cell.includes(IMAGE)));
  });

  test('the JSON lines of it are the very events', { skip: skipPsql() }, async () => {
    const lines = (await exported('JSON lines')).trimEnd().split('\n');
    for (const line of lines) assert.equal(typeof (JSON.parse(line) as { readonly uid?: unknown }).uid, 'string');
    assert.ok(lines.some((line) => (JSON.parse(line) as { readonly db_query?: string }).db_query?.includes(IMAGE)));
  });

  test('a live session with it, and its end', { skip: skipPsql() }, async () => {
    assert.ok(typeof psql !== 'string');
    const mia = { ...(await env('mia')) };
    const running = runCommand(psql.path, ['-X', `service=test-orders application_name='${IMAGE}'`, '-c', `select pg_sleep(40), '${IMAGE}'`], { env: mia }); // prettier-ignore
    await visit(page, origin, { name: 'sessions', path: 'sessions' });
    await page.getByText('pg_sleep(40)').first().waitFor({ timeout: 20_000 });
    await nothingHappened(page);
    await page
      .getByRole('button', { name: /(end|terminate)/i })
      .first()
      .click();
    await page.getByRole('dialog').getByRole('textbox').fill(IMAGE);
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /(end|terminate)/i })
      .click();
    assert.match((await running).stderr, /<img src=x/);
    await visit(page, origin, { name: 'locks', path: 'locks' });
    await page.getByRole('checkbox', { name: /ended single sessions/ }).check();
    await page.getByRole('row').filter({ hasText: 'session' }).filter({ hasText: IMAGE }).first().waitFor();
    await nothingHappened(page);
  });

  test('nothing of it ran, asked, or went elsewhere', () => {
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(dialogs, []);
    assert.deepEqual(browser.complaints, []);
  });

  /** Where people write: roles, locks, connectors, tokens, preferences. What a name may not be is refused by name. */
  async function createAll(): Promise<void> {
    const description = ALL_IN_ONE.slice(0, 200);
    await create({ kind: 'role', version: 'v8', metadata: { name: 'hostile', description, labels: { note: IMAGE } }, spec: { allow: { db_labels: { note: IMAGE }, db_users: [IMAGE, '*'], db_names: ['*', IMAGE] } } }); // prettier-ignore
    await create({ kind: 'lock', version: 'v2', metadata: { name: 'hostile' }, spec: { target: { user: 'nobody' }, message: `${IMAGE} ${PAYLOADS[2]}` } }); // prettier-ignore
    await create({
      kind: 'oidc',
      version: 'v3',
      metadata: { name: 'company', description },
      spec: {
        display: IMAGE,
        issuer_url: provider.issuer,
        client_id: OIDC_CLIENT.id,
        client_secret: OIDC_CLIENT.secret,
        redirect_url: `${origin}/v1/webapi/oidc/callback`,
        scope: ['openid', 'email', 'profile', 'groups'],
        username_claim: 'preferred_username',
        claims_to_roles: [{ claim: 'groups', value: 'dev', roles: ['access'] }],
      },
    });
    await create({ kind: 'cluster_auth_preference', version: 'v2', metadata: { name: 'cluster-auth-preference' }, spec: { message_of_the_day: `${IMAGE} ${PAYLOADS[1]}` } }); // prettier-ignore
    for (const [kind, spec] of [
      ['role', { allow: {} }],
      ['user', { roles: ['access'] }],
      ['lock', { target: { user: 'nobody' }, message: 'x' }],
    ] as const) {
      for (const name of PAYLOADS.slice(0, 5)) {
        const file = join(cluster.folder, 'refused.yaml');
        writeFileSync(file, JSON.stringify({ kind, version: kind === 'role' ? 'v8' : 'v2', metadata: { name }, spec }));
        assert.notEqual((await cluster.tryTessera(['create', '-f', file])).code, 0, `${kind} ${name}`);
      }
    }
  }

  async function create(resource: object): Promise<void> {
    const file = join(cluster.folder, 'resource.yaml');
    writeFileSync(file, JSON.stringify(resource));
    await cluster.tessera('create', '-f', file, '--force');
  }

  async function env(name: string): Promise<Readonly<Record<string, string>>> {
    assert.ok(typeof psql !== 'string');
    const home = join(cluster.folder, `home-${name}`);
    return {
      HOME: home,
      TESSERA_HOME: join(home, '.tsh'),
      PGSERVICEFILE: join(home, '.pg_service.conf'),
      ...(psql.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: psql.libraryPath }),
    };
  }

  /** Sessions with it in statements, program, database and user; the id of the one with the statements. */
  async function liveHostile(): Promise<string> {
    if (typeof psql === 'string') return '';
    await cluster.postgres.sql('create role reader login');
    await cluster.postgres.sql(`create role "${IMAGE}" login`);
    await cluster.postgres.sql(`create database "${IMAGE}"`);
    const mia = await cluster.addPerson('mia', ['--roles=access,hostile', `--db-users=reader,${IMAGE}`, '--db-names=*']); // prettier-ignore
    await mia.login();
    await mia.tsh('db', 'login', 'orders', '--db-user=reader', '--db-name=postgres');
    const statements = PAYLOADS.map((payload) => `select '${payload.replaceAll("'", "''")}';\n${payload.startsWith('=') || payload.startsWith('@') ? `${payload};\n` : ''}`); // prettier-ignore
    const run = async (service: string, input: string) =>
      runCommand(psql.path, ['-X', service], { env: await env('mia'), input });
    await run(`service=test-orders application_name='${IMAGE}'`, statements.join(''));
    await run(`service=test-orders dbname='${IMAGE}'`, 'select 1;');
    await run(`service=test-orders user='${IMAGE}'`, 'select 1;');
    await run(`service=test-orders options='-c search_path=${IMAGE.replaceAll(' ', '\\\\ ')}'`, 'select 1;');
    const ended = await waitForAudit(cluster, 'the session', (events) =>
      events.find(
        (each) =>
          each.event === 'db.session.end' &&
          events.some((one) => one['sid'] === each['sid'] && one.event === 'db.session.query'),
      ),
    );
    return String(ended['sid']);
  }

  async function exported(format: string): Promise<string> {
    await visit(page, origin, { name: 'audit', path: 'audit?range=all&user=mia' });
    await page.getByRole('button', { name: 'Export' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(format, { exact: true }).check();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      dialog.getByRole('button', { name: 'Export', exact: true }).click(),
    ]);
    await nothingHappened(page);
    return readFileSync(await download.path(), 'utf8');
  }
});

/** Something is said, be it that there is no such thing; what the proxy takes for a trick with paths is no page at all. */
async function arrived(page: Page, address: string): Promise<void> {
  const response = await page.goto(address);
  if (response?.status() === 404) return assert.doesNotMatch(await response.text(), /</);
  await page
    .getByRole('heading')
    .or(page.getByRole('alert'))
    .first()
    .waitFor({ timeout: 10_000 })
    .catch((error: unknown) => {
      throw new Error(`nothing was shown at ${page.url()}`, { cause: error });
    });
}

/** No element came of a text. Whether a script ran is told by the trap, as a complaint. */
async function nothingHappened(page: Page): Promise<void> {
  assert.deepEqual(await page.evaluate(foreign), []);
  assert.equal((await callFromPage(page, 'Ping')).status < 500, true);
}

// Both run in the browser.
function trap(): void {
  Object.defineProperty(globalThis, 'hit', {
    set: () => {
      console.error('a payload ran');
    },
    get: () => {
      console.error('a payload was evaluated');
      return 0;
    },
  });
}

function foreign(): readonly string[] {
  const { document } = globalThis as unknown as InPage;
  const selectors =
    '[onerror], [onload], iframe, [href^="javascript:" i], [src="x"], [src*="evil.example"], [href*="evil.example"], blink, style:not([data-mantine-styles]):not(head style), main script';
  return Array.from(document.querySelectorAll(selectors)).map(({ outerHTML }) => outerHTML.slice(0, 200));
}

/** The cells of a CSV text, RFC 4180. */
function cellsOf(text: string): readonly string[] {
  return [...text.replace('\ufeff', '').matchAll(/"((?:[^"]|"")*)"/g)].map(([, inner = '']) =>
    inner.replaceAll('""', '"'),
  );
}

function skipPsql(): string | false {
  return typeof psql === 'string' ? psql : false;
}
