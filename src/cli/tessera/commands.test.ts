import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { FakeCluster } from '../cluster.fake.ts';
import { CODE, INVITE, PASSWORD, startFakeCluster, testIo } from '../cluster.fake.ts';
import { runTsh } from '../tsh/program.ts';
import { runTessera } from './program.ts';

let cluster: FakeCluster;
let home: string;
before(async () => {
  cluster = await startFakeCluster();
  home = mkdtempSync(join(tmpdir(), 'tessera-test-'));
  const io = testIo(home, `${PASSWORD}\n${CODE}\n`);
  assert.equal(
    await runTsh(io, ['login', `--proxy=${cluster.proxy}`, '--user=alice', `--ca-pin=${cluster.pin}`]),
    0,
    io.err(),
  );
});
after(() => {
  cluster.close();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(() => cluster.resources.clear());

async function tessera(
  args: readonly string[],
  input = '',
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const io = testIo(home, input, { PATH: process.env['PATH'] ?? '', ...env });
  const code = await runTessera(io, ['--proxy', cluster.proxy, ...args]);
  return { code, out: io.out(), err: io.err() };
}

const role = (name: string, users = 'reader'): string =>
  `kind: role\nversion: v7\nmetadata: {name: ${name}}\nspec:\n  options: {max_session_ttl: 8h}\n  allow:\n    db_labels: {env: dev}\n    db_users: [${users}]\n    db_names: ['*']\n`;

test('users: add prints the link, its validity and what is next; update keeps what it does not change', async () => {
  const added = await tessera(['users', 'add', 'bob', '--roles=access', '--db-users=reader,writer', '--db-names=*']);
  assert.equal(added.code, 0, added.err);
  assert.match(added.out, /good once, for 1h /);
  assert.match(added.out, new RegExp(`\n {2}https://${cluster.proxy}/web/invite/${INVITE}\n`));
  assert.match(added.out, new RegExp(`tsh invite 'https://.*/${INVITE}' --ca-pin=${cluster.pin}\n$`));
  assert.equal((await tessera(['users', 'update', 'bob', '--set-db-users=reader'])).code, 0);
  assert.deepEqual(JSON.parse(cluster.resources.get('user/bob')?.json ?? ''), {
    kind: 'user',
    version: 'v2',
    metadata: { name: 'bob' },
    spec: { roles: ['access'], traits: { db_users: ['reader'], db_names: ['*'] } },
  });
  assert.match(
    (await tessera(['users', 'ls'])).out,
    /^User Roles +Database Users Database Names\n---- ------ -+ -+\nbob +access reader +\*\n$/,
  );
  assert.match((await tessera(['users', 'reset', 'bob'])).out, /https:\/\/<proxy>\/web\/reset\//);
  assert.equal((await tessera(['users', 'rm', 'bob'])).code, 0);
  assert.match((await tessera(['users', 'rm', 'bob'])).err, /user\/bob does not exist/);
  assert.equal((await tessera(['users', 'update', 'bob'])).code, 2);
});

test('create: several documents, each all or nothing; what exists needs --force', async () => {
  const file = join(home, 'roles.yaml');
  writeFileSync(file, `${role('a')}---\n${role('b')}`);
  assert.equal((await tessera(['create', '-f', file])).out, 'role/a was created\nrole/b was created\n');
  assert.match(cluster.resources.get('role/a')?.json ?? '', /"max_session_ttl":"8h"/, 'durations travel as text');
  writeFileSync(file, `${role('c')}---\n${role('b')}---\n${role('d')}`);
  const again = await tessera(['create', '-f', file]);
  assert.equal(again.code, 1);
  assert.match(
    again.err,
    /role\/b: role\/b exists \(1 of 3 documents were done before it, 1 after it were not tried\)\n {2}to replace it: --force/,
  );
  assert.equal((await tessera(['create', '-f', '-', '--force'], role('b', 'x'))).code, 0);
  assert.match(cluster.resources.get('role/b')?.json ?? '', /"x"/);
});

test('create says every problem with its place and stores nothing', async () => {
  const result = await tessera(['create', '-f', '-'], `${role('a')}---\n${role('b').replace('db_users', 'db_user')}`);
  assert.equal(result.code, 1);
  assert.match(result.err, /^stdin:\d+:\d+: .*db_user.*db_users/);
  assert.equal(cluster.resources.size, 0);
});

test('get prints documents that create reads back', async () => {
  await tessera(['create', '-f', '-'], `${role('a')}---\n${role('b')}`);
  const text = (await tessera(['get', 'roles'])).out;
  cluster.resources.clear();
  assert.equal((await tessera(['create', '-f', '-'], text)).code, 0);
  assert.deepEqual([...cluster.resources.keys()], ['role/a', 'role/b']);
  assert.equal((JSON.parse((await tessera(['get', 'all', '--format=json'])).out) as unknown[]).length, 2);
  assert.match((await tessera(['get', 'role/none'])).err, /role\/none does not exist/);
  assert.equal((await tessera(['rm', 'role/a'])).out, 'role/a was removed\n');
  assert.equal((await tessera(['rm', 'role'])).code, 2);
});

test('edit writes back the revision that it read, and tells a conflict without losing the text', async () => {
  await tessera(['create', '-f', '-'], role('a'));
  const editor = join(home, 'editor.sh');
  writeFileSync(editor, '#!/bin/sh\nsed -i s/reader/writer/ "$1"\n', { mode: 0o755 });
  assert.equal((await tessera(['edit', 'role/a'], '', { EDITOR: editor })).out, 'role/a was changed\n');
  assert.match(cluster.resources.get('role/a')?.json ?? '', /writer/);
  assert.equal((await tessera(['edit', 'role/a'], '', { EDITOR: 'true' })).out, 'role/a was not changed\n');
  // Somebody else is faster: the editor's run is when the stored revision moves on.
  writeFileSync(editor, '#!/bin/sh\nsleep 0.3\nsed -i s/writer/owner/ "$1"\n');
  const editing = tessera(['edit', 'role/a'], '', { EDITOR: editor });
  const seen = cluster.calls.length;
  while (!cluster.calls.slice(seen).includes('GetResource')) await new Promise((resolve) => setTimeout(resolve, 10));
  const stored = cluster.resources.get('role/a');
  assert.ok(stored);
  setTimeout(() => cluster.resources.set('role/a', { ...stored, revision: stored.revision + 1n }), 50);
  const result = await editing;
  assert.equal(result.code, 1);
  const kept = /your text is in (\S+\.yaml);/.exec(result.err)?.[1] ?? '';
  assert.match(result.err, /role\/a was changed by somebody else while you were editing/);
  assert.match(readFileSync(kept, 'utf8'), /owner/);
  assert.equal(statSync(kept).mode & 0o777, 0o600);
  rmSync(join(kept, '..'), { recursive: true });
});

test('lock prints its id; exactly one target', async () => {
  const result = await tessera(['lock', '--user=alice', '--message=laptop lost', '--ttl=1h']);
  const id = /^Lock: ([0-9a-f-]{36})$/m.exec(result.out)?.[1] ?? '';
  const stored = JSON.parse(cluster.resources.get(`lock/${id}`)?.json ?? '{}') as {
    spec: { target: object; message: string; expires: string };
  };
  assert.deepEqual(stored.spec.target, { user: 'alice' });
  assert.ok(Date.parse(stored.spec.expires) > Date.now());
  assert.equal((await tessera(['lock', '--user=a', '--role=b'])).code, 2);
  assert.equal((await tessera(['lock'])).code, 2);
  assert.equal((await tessera(['lock', '--user=a', '--ttl=1h', '--expires=2999-01-01'])).code, 2);
});

test('tokens add prints a configuration that is right', async () => {
  const { out } = await tessera(['tokens', 'add', '--type=db']);
  const yaml = out.slice(out.indexOf('  version:'), out.indexOf('\nNext'));
  const file = join(home, 'tessera.yaml');
  writeFileSync(file, yaml.replaceAll(/^ {2}/gm, '').replace('<public name>', 'access.example.com'));
  const checked = await tessera(['check-config', '-c', file]);
  assert.equal(checked.code, 0, checked.err);
  assert.match(checked.out, /is right: db_service/);
  assert.deepEqual(JSON.parse((await tessera(['tokens', 'add', '--type=db', '--format=json'])).out).ca_pins, [
    cluster.pin,
  ]);
  assert.equal((await tessera(['tokens', 'add', '--type=node'])).code, 2);
});

test('auth sign makes the key here, 0600, and never replaces files unasked', async () => {
  const out = join(home, 'server');
  const result = await tessera([
    'auth',
    'sign',
    '--format=db',
    '--host=localhost,10.0.0.1',
    `--out=${out}`,
    '--ttl=2190h',
  ]);
  assert.equal(result.code, 0, result.err);
  assert.equal(statSync(`${out}.key`).mode & 0o777, 0o600);
  const certificate = new X509Certificate(readFileSync(`${out}.crt`));
  assert.match(certificate.subjectAltName ?? '', /DNS:localhost, IP Address:10\.0\.0\.1/);
  assert.match(result.out, /ssl_ca_file = '.*server\.cas'/);
  assert.match(
    (await tessera(['auth', 'sign', '--host=x', `--out=${out}`])).err,
    /exists already\n {2}to replace it: --overwrite/,
  );
  assert.equal((await tessera(['auth', 'sign', '--host=x', `--out=${out}`, '--overwrite'])).code, 0);
  assert.deepEqual(
    readdirSync(home).filter((name) => name.endsWith('.tmp')),
    [],
  );
  assert.match(
    (await tessera(['auth', 'export', '--type=db'])).out,
    /^-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----\n$/,
  );
});

test('audit search shows the newest in the order in which they happened', async () => {
  cluster.events.push(
    ...[1, 2, 3].map((n) =>
      JSON.stringify({
        event: 'db.session.query',
        code: 'TDB02I',
        time: `2026-01-31T08:00:0${n}.000Z`,
        user: 'alice',
        db_service: 'orders',
        db_name: 'shop',
        db_user: 'reader',
        db_query: `select ${n}\n  from\u001b[2J t`,
      }),
    ),
  );
  const text = await tessera(['audit', 'search', '--limit=2', '--from=1h']);
  assert.equal(text.code, 0, text.err);
  assert.match(
    text.out,
    /^Time +Code +Event +User +Database +Database User What\n[- ]+\n2026-01-31 08:00:02\.000 TDB02I db\.session\.query alice orders\/shop reader +select 2 from\\x1b\[2J t\n2026-01-31 08:00:03/,
  );
  assert.match(text.err, /the newest 2 only; more: --limit=20/);
  const json = JSON.parse((await tessera(['audit', 'search', '--format=json'])).out) as { db_query: string }[];
  assert.deepEqual(
    json.map((event) => event.db_query),
    [1, 2, 3].map((n) => `select ${n}\n  from\u001b[2J t`),
  );
});

test('status: text and json', async () => {
  assert.match(
    (await tessera(['status'])).out,
    new RegExp(`^Cluster: +fake\nVersion: +0\nCA pin: +${cluster.pin}\n\nAuthority Algorithm +Expires`),
  );
  assert.match(
    (await tessera(['status'])).out,
    /edge +proxy +edge\.example\.com:443, edge\.example\.com:3036 \(MySQL\)/,
  );
  const json = JSON.parse((await tessera(['status', '--format=json'])).out) as {
    readonly cluster_name: string;
    readonly services: readonly { readonly public_addr: string; readonly mysql_public_addr: string }[];
  };
  assert.equal(json.cluster_name, 'fake');
  assert.equal(json.services[0]?.mysql_public_addr, 'edge.example.com:3036');
});

test('configure prints what check-config finds right, and writes no file over another', async () => {
  const file = join(home, 'auth.yaml');
  assert.equal(
    (await tessera(['configure', '--cluster-name=example', '--public-addr=a.example.com:3080', '-o', file])).code,
    0,
  );
  assert.match((await tessera(['check-config', '-c', file])).out, /is right: auth_service, proxy_service/);
  assert.match(
    (await tessera(['configure', '--cluster-name=example', '--public-addr=a:1', '-o', file])).err,
    /exists already/,
  );
  assert.equal((await tessera(['configure', '--roles=db'])).code, 2);
  writeFileSync(file, readFileSync(file, 'utf8').replace('cluster_name', 'clustername'));
  assert.match((await tessera(['check-config', '-c', file])).err, /auth\.yaml:\d+:\d+: .*clustername.*cluster_name/);
});

test('without any credentials it says which ways there are', async () => {
  const io = testIo('/nowhere', '', {
    TESSERA_CONFIG: '/etc/hostname-that-is-not-there',
  });
  assert.equal(await runTessera(io, ['status']), 1);
  assert.match(io.err(), /configuration .* can not be read/);
  const other = testIo('/nowhere', '', {});
  assert.equal(await runTessera(other, ['status']), 1);
  assert.match(other.err(), /no way to the Auth Service[\s\S]*on the Auth machine/);
});
