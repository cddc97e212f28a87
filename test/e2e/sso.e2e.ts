// Single sign-on as people do it: at a provider's own pages, into the web UI and into tsh.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Page } from 'playwright-core';
import { waitForAudit } from '../kit/audit-log.ts';
import { type Browser, noBrowser, openBrowser } from '../kit/browser.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { startTshLogin } from '../kit/tsh-login.ts';
import { signedIn, signOut } from '../kit/web-person.ts';
import { OIDC_CLIENT, type OidcServer, startOidc } from '../servers/oidc.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';
import { startSamlStandIn } from '../servers/saml-stand-in.ts';
import { people as samlPeople, simpleSamlPhp, startSimpleSamlPhp } from '../servers/simplesamlphp.ts';

const php = simpleSamlPhp();

suite('single sign-on', { skip: noBrowser }, () => {
  let cluster: Cluster;
  let provider: OidcServer;
  let browser: Browser;
  let page: Page;
  let origin: string;
  const owned = new AsyncDisposableStack();

  before(async () => {
    cluster = await startCluster({ postgres: npmPostgres() });
    owned.defer(() => cluster.close());
    const address = `localhost:${cluster.proxies[0]?.port}`;
    origin = `https://${address}`;
    provider = await startOidc({
      redirectUris: [`${origin}/v1/webapi/oidc/callback`],
      people: {
        alice: { password: 'alicepass', groups: ['dba'] },
        bob: { password: 'bobpass', groups: ['dev'] },
        eve: { password: 'evepass', groups: ['sales'] },
      },
    });
    owned.defer(() => provider.close());
    await create(`kind: oidc
version: v3
metadata: {name: company}
spec:
  display: Company
  issuer_url: ${provider.issuer}
  client_id: ${OIDC_CLIENT.id}
  client_secret: ${OIDC_CLIENT.secret}
  redirect_url: ${origin}/v1/webapi/oidc/callback
  scope: [openid, email, profile, groups]
  username_claim: preferred_username
  claims_to_roles:
    - {claim: groups, value: dba, roles: [editor, auditor]}
    - {claim: groups, value: dev, roles: [access]}
`);
    browser = await openBrowser({ trusted: [address] });
    owned.defer(() => browser.close());
    page = browser.page;
  });
  after(() => owned.disposeAsync());

  async function create(yaml: string): Promise<void> {
    const file = join(cluster.folder, 'resource.yaml');
    writeFileSync(file, yaml);
    await cluster.tessera('create', '-f', file);
  }

  /** The provider remembers who signed in there; this forgets it, and us. */
  async function forget(): Promise<void> {
    await browser.context.clearCookies();
  }

  async function atOidc(name: string, password: string): Promise<void> {
    await page.waitForURL((url) => url.origin === provider.issuer);
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('heading', { name: 'Allow' }).waitFor();
    await page.getByRole('button', { name: 'Continue' }).click();
  }

  test('the web UI by OpenID Connect, back at the page that was asked for', async () => {
    await page.goto(`${origin}/web/account`);
    await page.getByRole('button', { name: 'Continue with Company' }).click();
    await atOidc('alice', 'alicepass');
    await signedIn(page);
    assert.equal(new URL(page.url()).pathname, '/web/account');
    await page.getByText('editor').first().waitFor();
    const event = await waitForAudit(cluster, 'the sign-in', (events) =>
      events.find((each) => each.code === 'T1001I' && each['user'] === 'alice'),
    );
    assert.equal(event['success'], true);
    await signOut(page);
  });

  test('a person whose groups give no role is told so, and is not in', async () => {
    await forget();
    await page.goto(`${origin}/web/`);
    await page.getByRole('button', { name: 'Continue with Company' }).click();
    await atOidc('eve', 'evepass');
    await page.getByRole('alert').first().waitFor();
    assert.equal(new URL(page.url()).pathname, '/web/login');
  });

  test('tsh by OpenID Connect, through a loopback answer', async () => {
    await forget();
    const login = startTshLogin(cluster, 'bob', ['--auth=company', '--browser=none']);
    await page.goto(await login.link());
    await atOidc('bob', 'bobpass');
    const { code, stdout, stderr } = await login.ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /bob/);
    await page
      .getByText(/terminal/i)
      .first()
      .waitFor();
  });

  test('a person who left can not sign in again', async () => {
    await forget();
    provider.people.delete('bob');
    await page.goto(`${origin}/web/`);
    await page.getByRole('button', { name: 'Continue with Company' }).click();
    await page.waitForURL((url) => url.origin === provider.issuer);
    await page.getByLabel('Name').fill('bob');
    await page.getByLabel('Password').fill('bobpass');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('Wrong name or password').waitFor();
  });

  test('tsh on a machine without a browser: a code typed elsewhere', async () => {
    await forget();
    const login = startTshLogin(cluster, 'device', ['--device']);
    const userCode = await login.userCode();
    await page.goto(`${origin}/web/device`);
    await page.getByRole('button', { name: 'Continue with Company' }).click();
    await atOidc('alice', 'alicepass');
    await page.getByRole('textbox').first().fill(userCode);
    await page.getByRole('button', { name: /continue|look up|next/i }).click();
    await page.getByRole('button', { name: /approve|allow/i }).click();
    const { code, stdout, stderr } = await login.ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /alice/);
    await signOut(page);
  });

  const samls = [
    { name: 'stand-in', skip: false, start: startSamlStandIn },
    { name: 'simplesamlphp', skip: typeof php === 'string' ? php : false, start: startSimpleSamlPhp },
  ] as const;
  for (const saml of samls) {
    test(`SAML by ${saml.name}: the web UI, then tsh`, { skip: saml.skip }, async () => {
      await forget();
      const acs = `${origin}/v1/webapi/saml/acs/${saml.name}`;
      await using idp = { close: () => Promise.resolve(), [Symbol.asyncDispose]: () => idp.close() };
      const server = await saml.start({ acs, entityId: acs });
      idp.close = () => server.close();
      await create(`kind: saml
version: v2
metadata: {name: ${saml.name}}
spec:
  display: ${saml.name}
  acs: ${acs}
  entity_descriptor_url: ${server.metadataUrl}
  attributes_to_roles:
    - {name: groups, value: dba, roles: [auditor]}
`);
      // Another connector's alice is nobody's to take over.
      await cluster.tryTessera(['rm', 'user/alice']);
      await page.goto(`${origin}/web/account`);
      await page.getByRole('button', { name: `Continue with ${saml.name}` }).click();
      await atSaml(page);
      await signedIn(page);
      await page.getByText('auditor').first().waitFor();
      await signOut(page);
      await forget();
      const login = startTshLogin(cluster, saml.name, [`--auth=${saml.name}`, '--browser=none']);
      await page.goto(await login.link());
      await atSaml(page);
      const { code, stdout, stderr } = await login.ended;
      assert.equal(code, 0, stderr);
      assert.match(stdout, /alice/);
    });
  }

  test('no page complained', () => assert.deepEqual(browser.complaints, []));
});

/** The first form with a password on the page, whoever drew it. */
async function atSaml(page: Page): Promise<void> {
  await page.waitForURL((url) => url.protocol === 'http:');
  const form = page.locator('form', { has: page.locator('input[type=password]') });
  await form.waitFor();
  await form.getByRole('textbox').first().fill('alice');
  await form.locator('input[type=password]').fill(samlPeople.alice.password);
  await form.locator('button, input[type=submit]').first().click();
}
