// One person's first day, as they and an administrator live it: invitation, second factors, a database, a session seen, ended, found in the audit log.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { AuthenticatorApp } from '../kit/authenticator-app.ts';
import { addPasskey, type Browser, noBrowser, openBrowser } from '../kit/browser.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { type Output, runCommand } from '../kit/command.ts';
import { invitationLink } from '../kit/invitation.ts';
import { type Person, personWith } from '../kit/person.ts';
import { acceptInvitation, signedIn, signIn, signOut } from '../kit/web-person.ts';
import { findPsql, npmPostgres } from '../servers/postgres-binaries.ts';

const psql = findPsql();

suite('the first day of a person', { skip: noBrowser }, () => {
  let cluster: Cluster;
  let hers: Browser;
  let his: Browser;
  let app: AuthenticatorApp;
  let alice: Person;
  let origin: string;
  let running: Promise<Output> | undefined;
  const password = 'correct horse alice battery';

  before(async () => {
    cluster = await startCluster({ postgres: npmPostgres() });
    await cluster.postgres.sql('create role reader login');
    const address = `localhost:${cluster.proxies[0]?.port}`;
    origin = `https://${address}`;
    [hers, his] = await Promise.all([openBrowser({ trusted: [address] }), openBrowser({ trusted: [address] })]);
  });
  after(async () => {
    await Promise.all([hers?.close(), his?.close()]);
    await cluster?.close();
  });

  test('she takes the invitation, with a password and an authenticator app', async () => {
    const link = await invitationLink(cluster, 'alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    app = await acceptInvitation(hers.page, link, password);
    assert.doesNotMatch(hers.page.url(), /invite/);
    const at = { home: join(cluster.folder, 'home-alice'), proxy: new URL(origin).host, caPin: cluster.caPin };
    alice = personWith('alice', { password, app }, at);
  });

  test('a used invitation opens nothing', async () => {
    const link = await invitationLink(cluster, 'once', ['--roles=access']);
    await acceptInvitation(his.page, link, 'correct horse once battery');
    await signOut(his.page);
    await his.page.goto(link);
    await his.page.getByRole('alert').first().waitFor();
    assert.equal(await his.page.getByLabel('New password').count(), 0);
  });

  test('she signs out, and in again with password and code', async () => {
    await signOut(hers.page);
    await signIn(hers.page, 'alice', { password, app });
  });

  test('she adds a passkey, and signs in with nothing else', async () => {
    const { page } = hers;
    const session = await addPasskey(page);
    await page.goto(`${origin}/web/account`);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Passkey or security key' }).click();
    await page.getByLabel('Name').fill('laptop');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('One-time code').fill(await app.code());
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'Create the passkey' }).click();
    await page.getByRole('cell', { name: 'laptop', exact: true }).waitFor();
    await signOut(page);
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
    await signedIn(page);
    await page.goto(`${origin}/web/account`);
    await page.getByText('with a passkey').waitFor();
    await session.detach();
  });

  test('she finds her database, and what to type for it', async () => {
    const { page } = hers;
    await page.goto(`${origin}/web/databases`);
    await page.getByText('orders').first().waitFor();
    await page
      .getByRole('button', { name: /connect/i })
      .first()
      .click();
    const drawer = page.getByRole('dialog');
    await drawer
      .getByText(/tsh db login orders/)
      .first()
      .waitFor();
    await page.keyboard.press('Escape');
  });

  test('she runs a statement with psql', { skip: typeof psql === 'string' ? psql : false }, async () => {
    assert.ok(typeof psql !== 'string');
    await alice.login();
    await alice.tsh('db', 'login', 'orders', '--db-user=reader', '--db-name=postgres');
    const env = { ...alice.env, ...(psql.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: psql.libraryPath }) };
    running = runCommand(psql.path, ['-X', 'service=test-orders', '-c', 'select pg_sleep(50), 4711'], { env });
  });

  test('an administrator sees it live and ends it', { skip: typeof psql === 'string' ? psql : false }, async () => {
    const { page } = his;
    const link = await invitationLink(cluster, 'root', ['--roles=editor,auditor']);
    await acceptInvitation(page, link, 'correct horse root battery');
    await page.goto(`${origin}/web/sessions`);
    await page.getByText('pg_sleep(50), 4711').first().waitFor({ timeout: 30_000 });
    await page
      .getByRole('button', { name: /(end|terminate)/i })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('lunch is ready');
    await dialog.getByRole('button', { name: /(end|terminate)/i }).click();
    const output = await running;
    assert.ok(output !== undefined && output.code !== 0);
    assert.match(output.stderr, /lunch is ready/);
  });

  test('and finds it in the audit log', { skip: typeof psql === 'string' ? psql : false }, async () => {
    const { page } = his;
    await page.goto(`${origin}/web/audit?user=alice&text=4711`);
    await page.getByText('pg_sleep(50), 4711').first().click();
    await page.getByRole('dialog').getByText('db.session.query').first().waitFor();
  });

  test('no page complained', () => {
    assert.deepEqual([...hers.complaints, ...his.complaints], []);
  });
});
