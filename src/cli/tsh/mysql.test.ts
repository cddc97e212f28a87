import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { FakeCluster } from '../cluster.fake.ts';
import { CODE, PASSWORD, startFakeCluster, testIo } from '../cluster.fake.ts';
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
afterEach(() => {
  delete cluster.mysqlListener;
  delete cluster.tunnel;
});

type Run = { readonly code: number; readonly out: string; readonly err: string };

async function tsh(home: string, args: readonly string[], input = '', env: Record<string, string> = {}): Promise<Run> {
  const io = testIo(home, input, { PATH: '/nowhere', ...env });
  const code = await runTsh(io, args);
  return { code, out: io.out(), err: io.err() };
}

async function signedIn(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'tsh-mysql-'));
  homes.push(home);
  const login = ['login', `--proxy=${cluster.proxy}`, '--user=alice', `--ca-pin=${cluster.pin}`];
  const result = await tsh(home, login, `${PASSWORD}\n${CODE}\n`);
  assert.equal(result.code, 0, result.err);
  return home;
}

/** A program that stands in for a client: it tells which of the two it is, and what it was called with. */
function fakeClient(home: string, name: string, kind: 'MariaDB' | 'MySQL', rest: string): string {
  const bin = join(home, 'bin');
  mkdirSync(bin, { recursive: true });
  const script = `#!/bin/sh\nfor a in "$@"; do case "$a" in --version) echo "${name} Ver 1 ${kind}"; exit 0;; --print-defaults) echo "$DEFAULTS"; exit 0;; esac; done\n${rest}\n`;
  writeFileSync(join(bin, name), script, { mode: 0o755 });
  return `${bin}:/bin:/usr/bin`;
}

test('db login writes the groups of ~/.my.cnf through a link, keeps the rest, and db logout takes them out again', async () => {
  cluster.mysqlListener = 'db.example.com:3036';
  const home = await signedIn();
  const mine = '[client]\r\npassword=secret\r\n!includedir /etc/mine/\r\n';
  writeFileSync(join(home, 'dotfile'), mine, { mode: 0o640 });
  symlinkSync('dotfile', join(home, '.my.cnf'));
  const login = await tsh(home, ['db', 'login', 'shop']);
  assert.equal(login.code, 0, login.err);
  assert.match(
    login.out,
    /^Logged in to shop as reader, database shop; valid for 1h.*\nConnection settings are in group \[client_fake-shop\] of ~\/\.my\.cnf\. Next, one of:\n {2}mysql --defaults-group-suffix=_fake-shop\n {2}tsh db connect shop\n$/,
  );
  const keys = join(home, '.tsh/keys', cluster.proxy.replace(':', '_'));
  const ours = [
    '[client_fake-shop]',
    'host=db.example.com',
    'port=3036',
    'protocol=TCP',
    'user=reader',
    'password=',
    `ssl-ca=${keys}/certs.pem`,
    `ssl-cert=${keys}/alice-db/fake/shop.crt`,
    `ssl-key=${keys}/alice-db/fake/shop.key`,
    'loose-ssl-mode=VERIFY_IDENTITY',
    '',
    '[mysql_fake-shop]',
    'database=shop',
    '',
    '[client-mariadb_fake-shop]',
    'ssl-verify-server-cert=1',
    '',
  ];
  assert.equal(readFileSync(join(home, 'dotfile'), 'utf8'), `${mine}\r\n${ours.join('\r\n')}`);
  assert.equal(statSync(join(home, 'dotfile')).mode & 0o777, 0o640);
  assert.equal((await tsh(home, ['db', 'env', 'shop'])).out, 'export MYSQL_GROUP_SUFFIX=_fake-shop\n');
  assert.equal((await tsh(home, ['db', 'logout', 'shop'])).code, 0);
  const left = readFileSync(join(home, 'dotfile'), 'utf8');
  assert.ok(left.startsWith(mine));
  assert.equal(left.slice(mine.length).trim(), '');
  assert.equal(existsSync(join(home, '.pg_service.conf')), false);
});

test("logout takes the groups out; a new file is the owner's alone", async () => {
  cluster.mysqlListener = cluster.proxy;
  const home = await signedIn();
  await tsh(home, ['db', 'login', 'shop']);
  assert.equal(statSync(join(home, '.my.cnf')).mode & 0o777, 0o600);
  await tsh(home, ['logout']);
  assert.doesNotMatch(readFileSync(join(home, '.my.cnf'), 'utf8'), /fake-shop/);
});

const flavors = [
  { name: 'mysql', program: 'mysql', kind: 'MySQL', want: /^mysql .*--ssl-mode=VERIFY_IDENTITY\n$/ },
  {
    name: 'mysql that is MariaDB',
    program: 'mysql',
    kind: 'MariaDB',
    want: /^mariadb .*--ssl-verify-server-cert --skip-password\n$/,
  },
  {
    name: 'mariadb',
    program: 'mariadb',
    kind: 'MariaDB',
    want: /^mariadb .*--ssl-verify-server-cert --skip-password\n$/,
  },
] as const;
for (const row of flavors) {
  test(`db config --format=cmd is a whole command line for ${row.name}`, async () => {
    cluster.mysqlListener = 'db.example.com:3036';
    const home = await signedIn();
    await tsh(home, ['db', 'login', 'shop']);
    const path = fakeClient(home, row.program, row.kind, 'exit 9');
    const config = await tsh(home, ['db', 'config', 'shop', '--format=cmd'], '', { PATH: path });
    assert.match(config.out, row.want);
    assert.match(
      config.out,
      /^\w+ --host=db\.example\.com --port=3036 --protocol=TCP --user=reader --database=shop --ssl-ca=\S+certs\.pem --ssl-cert=\S+shop\.crt --ssl-key=\S+shop\.key /,
    );
  });
}

test('db config prints the listener', async () => {
  cluster.mysqlListener = 'db.example.com:3036';
  const home = await signedIn();
  await tsh(home, ['db', 'login', 'shop']);
  const config = JSON.parse((await tsh(home, ['db', 'config', '--format=json'])).out) as Record<string, unknown>;
  assert.deepEqual(Object.keys(config), ['name', 'host', 'port', 'user', 'database', 'ca', 'cert', 'key']);
  assert.deepEqual([config['host'], config['port']], ['db.example.com', 3036]);
});

test('without a listener: login says so and writes no file, env and config name the ways that work', async () => {
  const home = await signedIn();
  const login = await tsh(home, ['db', 'login', 'shop']);
  assert.equal(login.code, 0, login.err);
  assert.match(
    login.out,
    /no listener for mysql[^\n]*one of:\n {2}tsh db connect shop\n {2}tsh proxy db --tunnel shop\n$/,
  );
  assert.equal(existsSync(join(home, '.my.cnf')), false);
  for (const command of ['env', 'config']) {
    const result = await tsh(home, ['db', command, 'shop']);
    assert.equal(result.code, 1);
    assert.match(
      result.err,
      /has no listener for mysql[^\n]*\n {2}tsh db connect shop, or for any client: tsh proxy db --tunnel shop\n/,
    );
  }
});

test('a listener that went away takes its groups along at the next login', async () => {
  cluster.mysqlListener = 'db.example.com:3036';
  const home = await signedIn();
  await tsh(home, ['db', 'login', 'shop']);
  delete cluster.mysqlListener;
  await tsh(home, ['db', 'login', 'shop']);
  assert.doesNotMatch(readFileSync(join(home, '.my.cnf'), 'utf8'), /fake-shop/);
});

for (const bad of ['db.example.com', 'a b:1', 'x:99999', 7]) {
  test(`a listener address that is none (${JSON.stringify(bad)}) is not guessed at`, async () => {
    const home = await signedIn();
    cluster.mysqlListener = bad;
    const login = await tsh(home, ['db', 'login', 'shop']);
    assert.equal(login.code, 1);
    assert.equal(existsSync(join(home, '.my.cnf')), false);
  });
}

test('db connect goes to the listener with everything said on the command line', async () => {
  cluster.mysqlListener = 'db.example.com:3036';
  const home = await signedIn();
  const path = fakeClient(home, 'mysql', 'MySQL', 'echo "$MYSQL_PWD|$*" > "$HOME_OUT"; exit 3');
  const env = { PATH: path, HOME_OUT: join(home, 'seen'), MYSQL_PWD: 'leak' };
  const result = await tsh(home, ['db', 'connect', 'shop', '--', '-e', 'select 1'], '', env);
  assert.equal(result.code, 3, result.err);
  assert.match(
    readFileSync(join(home, 'seen'), 'utf8'),
    /^\|--host=db\.example\.com --port=3036 --protocol=TCP --user=reader --database=shop --ssl-ca=\S+ --ssl-cert=\S+ --ssl-key=\S+ --ssl-mode=VERIFY_IDENTITY -e select 1\n$/,
  );
});

test('a password of an option file is for another server', async () => {
  cluster.mysqlListener = 'db.example.com:3036';
  const home = await signedIn();
  const path = fakeClient(home, 'mysql', 'MySQL', 'echo "$*" > "$HOME_OUT"');
  const env = {
    PATH: path,
    HOME_OUT: join(home, 'seen'),
    DEFAULTS: 'mysql would have been started with\n--password=*****',
  };
  assert.equal((await tsh(home, ['db', 'connect', 'shop'], '', env)).code, 0);
  assert.match(readFileSync(join(home, 'seen'), 'utf8'), / --ssl-mode=VERIFY_IDENTITY --skip-password\n$/);
});

/** Reads the greeting from the socket that it is given. */
const READ_SOCKET = `for a in "$@"; do case "$a" in --socket=*) s="\${a#--socket=}";; esac; done
"$NODE" -e 'require("net").connect(process.argv[1]).on("data",(d)=>{process.stdout.write(d);process.exit()})' "$s" > "$HOME_OUT"
echo " $*" >> "$HOME_OUT"
ls -ld "$(dirname "$s")" | cut -c1-10 >> "$HOME_OUT"`;

for (const row of [
  { name: 'without a listener', listener: undefined, flags: [] },
  { name: 'with --tunnel', listener: 'db.example.com:3036', flags: ['--tunnel'] },
]) {
  test(`db connect ${row.name}: a tunnel on a socket that is the person's alone, gone afterwards`, async () => {
    if (row.listener !== undefined) cluster.mysqlListener = row.listener;
    const protocols: string[] = [];
    cluster.tunnel = (socket, protocol) => {
      protocols.push(protocol);
      socket.end('greetings');
    };
    const home = await signedIn();
    const path = fakeClient(home, 'mysql', 'MySQL', READ_SOCKET);
    const env = { PATH: path, HOME_OUT: join(home, 'seen'), NODE: process.execPath };
    const result = await tsh(home, ['db', 'connect', 'shop', ...row.flags], '', env);
    assert.equal(result.code, 0, result.err);
    const seen = readFileSync(join(home, 'seen'), 'utf8');
    assert.match(
      seen,
      /^greetings --host=localhost --protocol=SOCKET --socket=\S+mysql\.sock --user=reader --database=shop --ssl-mode=DISABLED\ndrwx------\n$/,
    );
    assert.deepEqual(protocols, ['mysql']);
    assert.equal(existsSync(/--socket=(\S+)/.exec(seen)?.[1] ?? '/'), false);
  });
}

test('db exec runs on both protocols at once, each with its own client', async () => {
  cluster.mysqlListener = 'db.example.com:3036';
  const home = await signedIn();
  const path = fakeClient(home, 'mariadb', 'MariaDB', 'read sql; echo "maria $1 $6: $sql"');
  writeFileSync(join(home, 'bin/psql'), '#!/bin/sh\nread sql; echo "psql: $sql"\n');
  chmodSync(join(home, 'bin/psql'), 0o755);
  const exec = ['db', 'exec', 'select 2', '--dbs=shop,orders', `--output-dir=${join(home, 'out')}`];
  const result = await tsh(home, exec, '', { PATH: path });
  assert.equal(result.code, 0, result.err);
  assert.equal(readFileSync(join(home, 'out/shop.output'), 'utf8'), 'maria --no-defaults --database=shop: select 2\n');
  assert.equal(readFileSync(join(home, 'out/orders.output'), 'utf8'), 'psql: select 2\n');
  assert.equal(existsSync(join(home, '.my.cnf')), false, 'exec leaves no configuration behind');
});

test('what is missing is said with what to do', async () => {
  const home = await signedIn();
  const client = await tsh(home, ['db', 'connect', 'shop']);
  assert.match(client.err, /neither mariadb nor mysql is installed, or on PATH\n {2}install one \(Debian: apt install/);
  const papers = await tsh(home, ['db', 'login', 'papers']);
  assert.match(papers.err, /papers speaks mongodb, which this version of tsh can not configure a client for\n/);
});
