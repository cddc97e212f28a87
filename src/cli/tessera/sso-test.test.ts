import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OIDC_CLIENT, OidcBrowser, startOidc, type OidcServer } from '../../../test/servers/oidc.ts';
import { TestAuth, type TestHost } from '../../service/auth/auth.fixture.ts';
import { announce, ORIGIN } from '../../service/auth/web.fixture.ts';
import { testIo } from '../cluster.fake.ts';
import { runTessera } from './program.ts';

/** `tessera sso test` against an Auth Service and a provider, both real; the test is the browser. */

const CALLBACK = `${ORIGIN}/v1/webapi/oidc/callback`;
let auth: TestAuth;
let proxy: TestHost;
let idp: OidcServer;
let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-sso-test-'));
  const people = { alice: { password: 'p', groups: ['dba'] } };
  [auth, idp] = await Promise.all([TestAuth.start(), startOidc({ redirectUris: [CALLBACK], people })]);
  proxy = await auth.join('proxy');
  await announce(proxy);
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([auth.stop(), idp.close()]);
});

function connector(group: string): string {
  return `kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: ${idp.issuer}
  client_id: ${OIDC_CLIENT.id}
  client_secret: ${OIDC_CLIENT.secret}
  redirect_url: ${CALLBACK}
  scope: [email, groups]
  claims_to_roles:
    - {claim: groups, value: ${group}, roles: [access]}
`;
}

/** Runs the command and is its person's browser. */
async function run(yaml: string, ...flags: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const file = join(folder, 'connector.yaml');
  writeFileSync(file, yaml);
  const io = testIo(folder, '');
  const identity = join(auth.dataDir, 'auth', 'admin');
  let over = false;
  const done = runTessera(io, ['-i', identity, 'sso', 'test', file, '--browser=none', ...flags]).finally(
    () => (over = true),
  );
  await browse(() => (over ? undefined : io.err()));
  return { code: await done, out: io.out(), err: io.err() };
}

// `told`: what the command said so far; undefined: it is over.
async function browse(told: () => string | undefined): Promise<void> {
  let link: string | undefined;
  while (link === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    const text = told();
    if (text === undefined) return;
    link = /^ {2}(http\S+)$/m.exec(text)?.[1];
  }
  const back = await new OidcBrowser().signIn(link, { login: 'alice', password: 'p' }, CALLBACK);
  const parameters = back.search.slice(1);
  const answer = { kind: 'oidc', connector: '', parameters, binding: '', clientAddress: '192.0.2.1', origin: ORIGIN };
  await proxy.connection.client.finishSso(answer);
}

test('each step and who would be signed in; exit code 0', async () => {
  const { code, out, err } = await run(connector('dba'));
  assert.equal(code, 0, err);
  assert.match(out, /^mapping +hit +groups has "dba", which is "dba": roles access$/m);
  assert.match(out, /^claims +ok +sub, email, email_verified, groups, acr: values below$/m);
  assert.match(out, /^ {2}groups: +dba$/m);
  assert.match(out, /^User: +alice@example\.com$/m);
  assert.match(out, /^Roles: +access$/m);
  assert.match(out, /Nobody was signed in and nothing was written\.\n$/);
});

test('as JSON, and exit code 1 when no rule hits', async () => {
  const { code, out } = await run(connector('root'), '--format=json');
  assert.equal(code, 1);
  const result = JSON.parse(out) as { succeeded: boolean; steps: { name: string; ok: boolean; detail: string }[] };
  assert.equal(result.succeeded, false);
  assert.ok(
    result.steps.some(({ name, ok, detail }) => name === 'mapping' && !ok && detail.includes('expected "root"')),
  );
  assert.match(result.steps.at(-1)?.detail ?? '', /SSO_NO_ROLES/);
});

test('what is no connector, or can not work, is said before anybody opens a browser', async () => {
  const role = 'kind: role\nversion: v7\nmetadata: {name: x}\nspec: {}\n';
  const none = await run(role);
  assert.equal(none.code, 2);
  assert.match(none.err, /expected one connector/);
  const bad = await run(connector('x').replace('[access]', '[nobody]'));
  assert.equal(bad.code, 1);
  assert.match(bad.err, /role nobody does not exist/);
});
