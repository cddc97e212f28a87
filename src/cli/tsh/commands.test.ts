import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FakeCluster } from '../cluster.fake.ts';
import { CODE, INVITE, PASSWORD, startFakeCluster, testIo } from '../cluster.fake.ts';
import { runTsh } from './program.ts';

let cluster: FakeCluster;
const homes: string[] = [];
before(async () => {
  cluster = await startFakeCluster();
});
after(() => {
  cluster.close();
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

type Run = { readonly code: number; readonly out: string; readonly err: string };

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'tsh-test-'));
  homes.push(home);
  return home;
}

async function tsh(home: string, args: readonly string[], input = '', env: Record<string, string> = {}): Promise<Run> {
  const io = testIo(home, input, { PATH: process.env['PATH'] ?? '', ...env });
  const code = await runTsh(io, args);
  return { code, out: io.out(), err: io.err() };
}

async function signedIn(): Promise<string> {
  const home = newHome();
  const result = await tsh(
    home,
    ['login', `--proxy=${cluster.proxy}`, '--user=alice', `--ca-pin=${cluster.pin}`],
    `${PASSWORD}\n${CODE}\n`,
  );
  assert.equal(result.code, 0, result.err);
  return home;
}

test('login pins the cluster, keeps the identity private, shows the status, and is not repeated while it is good', async () => {
  const home = await signedIn();
  const keys = join(home, '.tsh/keys', cluster.proxy.replace(':', '_'));
  for (const file of ['alice.key', 'alice.crt', 'certs.pem', 'cas/fake.pem']) {
    assert.equal(statSync(join(keys, file)).mode & 0o777, 0o600, file);
  }
  for (const folder of ['.tsh', '.tsh/keys']) assert.equal(statSync(join(home, folder)).mode & 0o777, 0o700, folder);
  cluster.calls.length = 0;
  const again = await tsh(home, ['login', `--proxy=${cluster.proxy}`, '--user=alice']);
  assert.equal(again.code, 0);
  assert.match(
    again.out,
    /^> Profile URL: {6}https:\/\/localhost:\d+\n {2}Logged in as: {5}alice\n {2}Cluster: {10}fake\n {2}Roles: {12}access\n {2}Valid until: .* \[valid for 1h/,
  );
  assert.match(again.out, /Next: tsh db ls\n$/);
  assert.deepEqual(cluster.calls, [], 'a good session asks nobody');
});

test('the pinned authority is enough for the next sign-in, and text of the cluster can not drive the terminal', async () => {
  const home = await signedIn();
  const result = await tsh(home, ['login', `--proxy=${cluster.proxy}`, '--force'], `${PASSWORD}\n${CODE}\n`);
  assert.equal(result.code, 0, result.err);
  assert.match(result.err, /be\\x1b\[31m kind/);
  assert.doesNotMatch(result.err, /\u001b/);
});

const refusals = [
  {
    name: 'wrong password',
    flags: ['--ca-pin=PIN'],
    input: `wrong password!!\n${CODE}\n`,
    code: 1,
    err: /wrong user name, password or one-time code/,
  },
  {
    name: 'unknown authority without a pin',
    flags: [],
    input: `${PASSWORD}\n${CODE}\n`,
    code: 1,
    err: /its certificate is not trusted[\s\S]*--ca-pin=sha256/,
  },
  {
    name: 'another pin',
    flags: [`--ca-pin=sha256:${'0'.repeat(64)}`],
    input: `${PASSWORD}\n${CODE}\n`,
    code: 1,
    err: /is not of the cluster with this CA pin/,
  },
  { name: 'a pin that is none', flags: ['--ca-pin=abc'], input: '', code: 2, err: /expected sha256:/ },
  { name: 'no input', flags: ['--ca-pin=PIN'], input: '', code: 1, err: /no further line/ },
  { name: 'a time to live without sense', flags: ['--ttl=soon'], input: '', code: 2, err: /Expected a duration/ },
];
for (const row of refusals) {
  test(`login refuses: ${row.name}`, async () => {
    const home = newHome();
    const flags = row.flags.map((flag) => flag.replace('PIN', cluster.pin));
    const result = await tsh(home, ['login', `--proxy=${cluster.proxy}`, '--user=alice', ...flags], row.input);
    assert.equal(result.code, row.code, result.err);
    assert.match(result.err, row.err);
    assert.equal(result.out, '', 'nothing but results on stdout');
    assert.equal(existsSync(join(home, '.tsh')), false, 'nothing is kept of a sign-in that failed');
    assert.doesNotMatch(result.err, /correct horse/, 'the password is in no message');
  });
}

test('a proxy whose certificate is for another name is refused even with the right pin', async () => {
  const other = await startFakeCluster(['elsewhere.example']);
  try {
    const result = await tsh(
      newHome(),
      ['login', `--proxy=${other.proxy}`, '--user=alice', `--ca-pin=${other.pin}`],
      `${PASSWORD}\n${CODE}\n`,
    );
    assert.equal(result.code, 1);
    assert.match(result.err, /not signed by the pinned authority for this name/);
    assert.deepEqual(other.calls, [], 'no password was sent');
  } finally {
    other.close();
  }
});

test('another cluster at the address of a pinned one is refused', async () => {
  const home = await signedIn();
  const other = await startFakeCluster();
  try {
    const keys = join(home, '.tsh/keys', other.proxy.replace(':', '_'));
    mkdirSync(keys, { recursive: true });
    writeFileSync(
      join(keys, 'certs.pem'),
      readFileSync(join(home, '.tsh/keys', cluster.proxy.replace(':', '_'), 'certs.pem')),
    );
    const result = await tsh(home, ['login', `--proxy=${other.proxy}`, '--user=alice'], `${PASSWORD}\n${CODE}\n`);
    assert.equal(result.code, 1);
    assert.match(result.err, /somebody may be in between/);
    assert.deepEqual(other.calls, []);
  } finally {
    other.close();
  }
});

test('a proxy that was taken over can not put itself in the place of an Auth Service that is known', async () => {
  const home = await signedIn();
  cluster.lies = true;
  cluster.calls.length = 0;
  try {
    const login = ['login', '--force', `--proxy=${cluster.proxy}`, '--user=alice'];
    const link = ['invite', `https://${cluster.proxy}/web/invite/${INVITE}`];
    for (const args of [login, [...login, '--insecure'], ['logout'], login, link]) {
      const result = await tsh(home, args, `${PASSWORD}\n${CODE}\n`);
      if (args[0] !== 'logout') assert.match(result.err, /not signed by this cluster's host authority/, args.join(' '));
    }
    assert.deepEqual(cluster.calls, [], 'no password was sent');
  } finally {
    cluster.lies = false;
  }
  assert.equal(
    (await tsh(home, ['login', `--proxy=${cluster.proxy}`, '--user=alice'], `${PASSWORD}\n${CODE}\n`)).code,
    0,
  );
});

test('--insecure is said aloud and pins', async () => {
  const home = newHome();
  const result = await tsh(
    home,
    ['login', `--proxy=${cluster.proxy}`, '--user=alice', '--insecure'],
    `${PASSWORD}\n${CODE}\n`,
  );
  assert.equal(result.code, 0, result.err);
  assert.match(result.err, /WARNING: --insecure: nothing proves/);
  assert.match(result.err, new RegExp(cluster.pin));
  assert.equal((await tsh(home, ['login', '--force'], `${PASSWORD}\n${CODE}\n`)).err.includes('WARNING'), false);
});

test('a private key that others may read is not used', async () => {
  const home = await signedIn();
  const key = join(home, '.tsh/keys', cluster.proxy.replace(':', '_'), 'alice.key');
  chmodSync(key, 0o640);
  const result = await tsh(home, ['db', 'ls']);
  assert.equal(result.code, 1);
  assert.match(result.err, /may be read by others \(mode 0640, expected 0600\)\n.*chmod 600/);
});

test('db ls: columns, labels, machine formats, one call', async () => {
  const home = await signedIn();
  cluster.calls.length = 0;
  const text = await tsh(home, ['db', 'ls']);
  assert.equal(text.code, 0, text.err);
  assert.deepEqual(cluster.calls, ['ListDatabases']);
  assert.match(
    text.out,
    /^Name +Description +Allowed Users +Labels\n-+ -+ -+ -+\nledger +ledger of the shop +\[\* except root\] +env=dev\n/,
  );
  assert.match(text.out, /note=x\\x1b\[2J/);
  const verbose = await tsh(home, ['db', 'ls', '-v', 'env=prod']);
  assert.match(verbose.out, /^Name +Description +Protocol +Type +URI +Health +Allowed Names +Allowed Users +Labels\n/);
  assert.equal(verbose.out.trim().split('\n').length, 3);
  const json = JSON.parse((await tsh(home, ['db', 'ls', '--search=ledger', '--format=json'])).out) as {
    metadata: { name: string };
    users: object;
  }[];
  assert.deepEqual(
    json.map((one) => [one.metadata.name, one.users]),
    [['ledger', { allowed: ['*'], denied: ['root'] }]],
  );
  assert.match((await tsh(home, ['db', 'ls', '--format=yaml'])).out, /- kind: db\n/);
});

test('db ls says why it was refused', async () => {
  const home = await signedIn();
  cluster.refusal = 'lock targeting user "alice" is in force: laptop lost';
  try {
    for (const args of [
      ['db', 'ls'],
      ['db', 'login', 'orders'],
    ]) {
      const result = await tsh(home, args);
      assert.equal(result.code, 1);
      assert.match(
        result.err,
        /^tsh: lock targeting user "alice" is in force: laptop lost\n {2}see who you are: tsh status/,
      );
    }
  } finally {
    delete cluster.refusal;
  }
});

test('a proxy that is away is said with what to do', async () => {
  const other = await startFakeCluster();
  const home = newHome();
  await tsh(
    home,
    ['login', `--proxy=${other.proxy}`, '--user=alice', `--ca-pin=${other.pin}`],
    `${PASSWORD}\n${CODE}\n`,
  );
  other.close();
  const result = await tsh(home, ['db', 'ls']);
  assert.equal(result.code, 1);
  assert.match(result.err, /auth service not reachable[\s\S]*check the address and the network/);
});

test('db login writes certificate and service file, db ls marks it, db logout removes both', async () => {
  const home = await signedIn();
  writeFileSync(join(home, '.pg_service.conf'), '# mine\r\n[other]\r\nhost=x\r\n', { mode: 0o640 });
  const login = await tsh(home, ['db', 'login', 'orders']);
  assert.equal(login.code, 0, login.err);
  assert.match(login.out, /Logged in to orders as reader, database shop; valid for 1h/);
  assert.match(login.out, / {2}psql "service=fake-orders"\n {2}tsh db connect orders\n$/);
  const service = readFileSync(join(home, '.pg_service.conf'), 'utf8');
  assert.match(
    service,
    /^# mine\r\n\[other\]\r\nhost=x\r\n\r\n\[fake-orders\]\r\nhost=localhost\r\nport=\d+\r\nuser=reader\r\ndbname=shop\r\nsslmode=verify-full\r\nsslrootcert=.*certs.pem\r\nsslcert=.*orders.crt\r\nsslkey=.*orders.key\r\ngssencmode=disable\r\n$/,
  );
  assert.equal(statSync(join(home, '.pg_service.conf')).mode & 0o777, 0o640);
  const folder = join(home, '.tsh/keys', cluster.proxy.replace(':', '_'), 'alice-db/fake');
  assert.equal(statSync(join(folder, 'orders.key')).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.match((await tsh(home, ['db', 'ls'])).out, /\n> orders \(user: reader, db: shop\) .*tsh db connect orders\n/);
  assert.match((await tsh(home, ['status'])).out, /Databases: {8}orders\n/);
  const env = await tsh(home, ['db', 'env', 'orders']);
  const shell = execFileSync(
    '/bin/sh',
    ['-c', `${env.out}\necho "$PGHOST|$PGUSER|$PGDATABASE|$PGSSLMODE|$PGGSSENCMODE"`],
    { encoding: 'utf8' },
  );
  assert.equal(shell, 'localhost|reader|shop|verify-full|disable\n');
  const config = JSON.parse((await tsh(home, ['db', 'config', '--format=json'])).out) as Record<string, unknown>;
  assert.deepEqual(Object.keys(config), ['name', 'host', 'port', 'user', 'database', 'ca', 'cert', 'key']);
  assert.match(
    (await tsh(home, ['db', 'config', '--format=cmd'])).out,
    /^psql 'postgresql:\/\/reader@localhost:\d+\/shop\?sslmode=verify-full&/,
  );
  assert.equal((await tsh(home, ['db', 'logout', 'orders'])).code, 0);
  assert.equal(readFileSync(join(home, '.pg_service.conf'), 'utf8'), '# mine\r\n[other]\r\nhost=x\r\n\r\n');
  assert.equal(existsSync(join(folder, 'orders.key')), false);
  assert.match((await tsh(home, ['db', 'env', 'orders'])).err, /not logged in to orders\n {2}tsh db login orders/);
});

const choices = [
  { name: 'unknown', args: ['nothing'], err: /no database that you may reach matches "nothing"/ },
  {
    name: 'ambiguous',
    args: ['--labels=env=dev'],
    err: /matches 2 databases\n.*Name[\s\S]*ledger[\s\S]*orders-old[\s\S]*give the full name/,
  },
  {
    name: 'a user that can not be inferred',
    args: ['orders-old'],
    err: /which database user on orders-old\? it can not be inferred from your roles\n {2}allowed on orders-old: --db-user \[\* except root\]/,
  },
  {
    name: 'a user that is denied',
    args: ['orders', '--db-user=root'],
    err: /access to db denied: user root on orders\n {2}allowed on orders: --db-user \[\* except root\], --db-name \[shop\]/,
  },
];
for (const row of choices) {
  test(`db login explains: ${row.name}`, async () => {
    const result = await tsh(await signedIn(), ['db', 'login', ...row.args]);
    assert.equal(result.code, 1);
    assert.match(result.err, row.err);
  });
}

test('the beginning of a name is enough when only one database has it', async () => {
  const result = await tsh(await signedIn(), ['db', 'login', 'led']);
  assert.match(result.out, /Logged in to ledger/);
});

test('commands without a session say what to type', async () => {
  const result = await tsh(newHome(), ['db', 'ls'], '', { TESSERA_PROXY: 'access.example.com', TESSERA_USER: 'alice' });
  assert.equal(result.code, 1);
  assert.equal(result.err, 'tsh: not signed in\n  tsh login --proxy=access.example.com --user=alice\n');
});

test('an expired session says so', async () => {
  cluster.ttlMs = 2000;
  try {
    const result = await tsh(await signedIn(), ['db', 'ls']);
    assert.equal(result.code, 1);
    assert.match(result.err, /the session with .* ended at .*\n {2}tsh login --proxy=localhost:\d+ --user=alice/);
  } finally {
    cluster.ttlMs = 3_600_000;
  }
});

test('logout leaves no key, keeps the pinned authority, cleans pg_service.conf', async () => {
  const home = await signedIn();
  await tsh(home, ['db', 'login', 'orders']);
  const result = await tsh(home, ['logout']);
  assert.equal(result.code, 0);
  const keys = join(home, '.tsh/keys', cluster.proxy.replace(':', '_'));
  for (const name of ['alice.key', 'alice.crt', 'alice-db']) assert.equal(existsSync(join(keys, name)), false, name);
  assert.equal(existsSync(join(keys, 'certs.pem')), true);
  assert.doesNotMatch(readFileSync(join(home, '.pg_service.conf'), 'utf8'), /fake-orders/);
  assert.equal((await tsh(home, ['status'])).code, 1);
});

test('invite shows QR code and secret on stderr, takes the password twice, checks the code, says what is next', async () => {
  const link = `https://${cluster.proxy}/web/invite/${INVITE}`;
  const result = await tsh(
    newHome(),
    ['invite', link, `--ca-pin=${cluster.pin}`],
    `${PASSWORD}\n${PASSWORD}\n${CODE}\n`,
  );
  assert.equal(result.code, 0, result.err);
  assert.match(result.err, /Welcome to fake, alice/);
  assert.match(result.err, /█/);
  assert.match(result.err, /Secret: JBSW Y3DP EHPK 3PXP\n/);
  assert.equal(
    result.out,
    `Password and one-time code of alice are set.\nNext: tsh login --proxy=${cluster.proxy} --user=alice --ca-pin=${cluster.pin}\n`,
  );
});

const invitations = [
  { name: 'a short password', input: 'short\nshort\n', err: /12 to 128 characters, this one has 5/ },
  { name: 'two passwords', input: `${PASSWORD}\n${PASSWORD}x\n`, err: /the two passwords differ/ },
  { name: 'a wrong code', input: `${PASSWORD}\n${PASSWORD}\n000000\n`, err: /wrong one-time code/ },
];
for (const row of invitations) {
  test(`invite refuses: ${row.name}`, async () => {
    const result = await tsh(
      newHome(),
      ['invite', `https://${cluster.proxy}/web/invite/${INVITE}`, `--ca-pin=${cluster.pin}`],
      row.input,
    );
    assert.equal(result.code, 1);
    assert.match(result.err, row.err);
  });
}

test('a spent invitation says so', async () => {
  const result = await tsh(newHome(), [
    'invite',
    `https://${cluster.proxy}/web/invite/${'0'.repeat(20)}`,
    `--ca-pin=${cluster.pin}`,
  ]);
  assert.equal(result.code, 1);
  assert.match(result.err, /this link is not valid: it was used, it has expired/);
});

test('db connect runs psql with the environment of the login and gives its exit code; db exec collects', async () => {
  const home = await signedIn();
  const bin = join(home, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'psql'),
    '#!/bin/sh\nif [ "$1" = --no-psqlrc ]; then read sql; echo "$PGUSER@$PGDATABASE: $sql"; exit 0; fi\necho "$PGHOST $PGUSER $PGDATABASE $PGHOSTADDR $*" > "$HOME_OUT"; exit 3\n',
    { mode: 0o755 },
  );
  const env = { PATH: `${bin}:/bin:/usr/bin`, HOME_OUT: join(home, 'seen'), PGHOSTADDR: '10.0.0.1' };
  const connect = await tsh(home, ['db', 'connect', 'orders', '--db-user=writer', '--', '-c', 'select 1'], '', env);
  assert.equal(connect.code, 3, connect.err);
  assert.equal(readFileSync(join(home, 'seen'), 'utf8'), 'localhost writer shop  -c select 1\n');
  cluster.calls.length = 0;
  await tsh(home, ['db', 'connect', 'orders'], '', env);
  assert.deepEqual(cluster.calls, [], 'a good certificate is used again');
  await tsh(home, ['db', 'connect', 'orders', '--db-user=reader'], '', env);
  assert.deepEqual(cluster.calls, ['ListDatabases', 'IssueUserCertificate'], 'another user needs another certificate');
  const exec = await tsh(
    home,
    ['db', 'exec', 'select 2', '--dbs=orders,ledger', '--parallel=2', `--output-dir=${join(home, 'out')}`],
    '',
    env,
  );
  assert.equal(exec.code, 0, exec.err);
  assert.equal(readFileSync(join(home, 'out/ledger.output'), 'utf8'), 'reader@shop: select 2\n');
  assert.deepEqual(JSON.parse(readFileSync(join(home, 'out/summary.json'), 'utf8')).success, 2);
  assert.equal(
    existsSync(join(home, '.tsh/keys', cluster.proxy.replace(':', '_'), 'alice-db/fake/ledger.key')),
    false,
    'exec leaves no login behind',
  );
  const unconfirmed = await tsh(home, ['db', 'exec', 'select 2', '--labels=env=dev'], '', env);
  assert.match(unconfirmed.err, /can only be answered in a terminal\n {2}add --no-confirm/);
  const missing = await tsh(home, ['db', 'connect', 'orders'], '', { PATH: '/nowhere' });
  assert.match(missing.err, /psql is not installed, or not on PATH\n {2}install it/);
});
