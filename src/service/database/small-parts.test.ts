// Replay guard, proxy list, label matching, password file, presence.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { databaseAt } from '../../../test/kit/engine.ts';
import type { Database, ProxyServer } from '../../resource/resource.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { matchesLabels, ServedDatabases } from './databases.ts';
import { databaseServerOf, Heartbeat, type HeartbeatMessage } from './heartbeat.ts';
import { readPasswordFile } from './password-file.ts';
import { ProxyAddresses } from './proxies.ts';
import { ReplayGuard } from './replay.ts';

test('an opening counts once within its window, and a full guard refuses rather than forgets', () => {
  const guard = new ReplayGuard({ windowMs: 90, maxEntries: 2 });
  assert.equal(guard.admit('a', 0), 'fresh');
  assert.equal(guard.admit('a', 89), 'repeated');
  assert.equal(guard.admit('b', 89), 'fresh');
  assert.equal(guard.admit('c', 89), 'full');
  assert.equal(guard.admit('b', 89), 'repeated');
  assert.equal(guard.admit('c', 90), 'fresh');
});

const labels = { env: 'prod', team: 'shop' };
const matchers: readonly {
  readonly name: string;
  readonly matcher: Record<string, string[]>;
  readonly expect: boolean;
}[] = [
  { name: 'everything', matcher: { '*': ['*'] }, expect: true },
  { name: 'nothing', matcher: {}, expect: false },
  { name: 'one value of several', matcher: { env: ['dev', 'prod'] }, expect: true },
  { name: 'all keys must match', matcher: { env: ['prod'], team: ['other'] }, expect: false },
  { name: 'a glob', matcher: { team: ['sh*'] }, expect: true },
  { name: 'an absent key', matcher: { zone: ['*'] }, expect: false },
  { name: 'no inherited names', matcher: { constructor: ['*'] }, expect: false },
];
for (const row of matchers)
  test(`labels: ${row.name}`, () => assert.equal(matchesLabels(row.matcher, labels), row.expect));

function named(name: string, protocol: Database['spec']['protocol'] = 'postgres'): Database {
  const database = databaseAt('db:1');
  return { ...database, metadata: { name, labels: { env: 'prod' } }, spec: { ...database.spec, protocol } };
}

test('a db resource may name a password file in password_dir only', () => {
  const served = new ServedDatabases({ log: silentLog, onChange: () => {} });
  const resources = [{ labels: { env: ['prod'] } }];
  const secret = (name: string, file: string): Database => {
    const { metadata, spec, ...rest } = named(name);
    return { ...rest, metadata: { ...metadata, labels: { env: 'prod' } }, spec: { ...spec, password_file: file } };
  };
  const wanted = [
    secret('inside', '/etc/tessera/passwords/a'),
    secret('beside', '/etc/tessera/passwords-of-others/a'),
    secret('up', '/etc/tessera/passwords/../key'),
  ];
  served.configure([], { resources });
  served.useDynamic(wanted);
  assert.deepEqual(
    served.all().map(({ database }) => database.metadata.name),
    [],
  );
  served.configure([secret('file', '/srv/any')], { resources, passwordDir: '/etc/tessera/passwords' });
  assert.deepEqual(
    served.all().map(({ database }) => database.metadata.name),
    ['file', 'inside'],
  );
});

test('databases: the file wins, resources come and go by their labels, unsupported protocols are left out', () => {
  let changes = 0;
  const served = new ServedDatabases({ log: silentLog, onChange: () => (changes += 1) });
  served.configure([named('a')], { resources: [{ labels: { env: ['prod'] } }] });
  served.useDynamic([named('a'), named('b'), named('m', 'mongodb'), { ...named('c'), metadata: { name: 'c' } }]);
  assert.deepEqual(
    served.all().map(({ database, origin }) => [database.metadata.name, origin]),
    [
      ['a', 'config'],
      ['b', 'dynamic'],
    ],
  );
  assert.equal(changes, 2);
  served.useDynamic([named('a'), named('b')]);
  assert.equal(changes, 2, 'nothing changed, nobody is told');
  served.useDynamic([]);
  assert.equal(served.get('b'), undefined);
  assert.equal(changes, 3);
});

function proxy(hostId: string, address: string): ProxyServer {
  return {
    kind: 'proxy_server',
    version: 'v2',
    metadata: { name: hostId },
    spec: { host_id: hostId, host_name: hostId, public_addr: address },
  };
}

test('proxies: a proxy reached by a configured address is not dialled by its public one too', () => {
  const lists: (readonly string[])[] = [];
  const addresses = new ProxyAddresses((list) => lists.push(list));
  addresses.configure([
    { host: '10.0.0.1', port: 3080 },
    { host: '::1', port: 1 },
  ]);
  addresses.useKnown([proxy('p1', 'one:443'), proxy('p2', 'two:443')]);
  assert.deepEqual(lists.at(-1), ['10.0.0.1:3080', '[::1]:1', 'one:443', 'two:443']);
  addresses.answered('10.0.0.1:3080', 'p1');
  assert.deepEqual(lists.at(-1), ['10.0.0.1:3080', '[::1]:1', 'two:443']);
  addresses.answered('two:443', 'p2');
  assert.equal(lists.length, 3);
  addresses.answered('10.0.0.1:3080', 'p2');
  assert.deepEqual(lists.at(-1), ['10.0.0.1:3080', '[::1]:1', 'one:443']);
});

test('a password file: mode 0600, one line, regular, not empty, not long', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-password-'));
  const file = (name: string, content: string, mode: number): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };
  try {
    assert.equal(await readPasswordFile(file('good', 'päss word \n', 0o600)), 'päss word ');
    await assert.rejects(readPasswordFile(file('open', 'x', 0o640)), /expected 0600/);
    await assert.rejects(readPasswordFile(file('empty', '\n', 0o600)), /is empty/);
    await assert.rejects(readPasswordFile(file('long', 'x'.repeat(5000), 0o600)), /maxPasswordBytes/);
    await assert.rejects(readPasswordFile(folder), /not a regular file|can not be read/);
    await assert.rejects(readPasswordFile(join(folder, 'none')), {
      publicMessage: 'the agent has no usable password for this database',
    });
    symlinkSync(join(folder, 'open'), join(folder, 'link'));
    await assert.rejects(readPasswordFile(join(folder, 'link')), /expected 0600/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('presence tells nothing of the password file', () => {
  const database = named('a');
  const secret = { ...database, spec: { ...database.spec, password_file: '/secret' } };
  const server = databaseServerOf(
    { database: secret, origin: 'config' },
    { hostId: 'h', hostName: 'n' },
    { status: 'unhealthy', message: 'm' },
  );
  assert.ok(!JSON.stringify(server).includes('/secret'));
  assert.equal(server.metadata.name, 'h/a');
});

test('heartbeat: soon after a change, then when Auth says, again after a failure; what is gone is told once', async () => {
  const clock = new ManualClock();
  const sent: HeartbeatMessage[] = [];
  let names = ['a', 'b'];
  let fails = 1;
  let known = 0;
  const heartbeat = new Heartbeat({
    send: (message) => {
      sent.push(message);
      return fails-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve({ nextSeconds: 60 });
    },
    servers: () =>
      names.map((name) =>
        databaseServerOf(
          { database: named(name), origin: 'config' },
          { hostId: 'h', hostName: 'n' },
          { status: 'unknown' },
        ),
      ),
    clock,
    log: silentLog,
    random: () => 0.5,
    onKnown: () => known++,
  });
  heartbeat.changed();
  heartbeat.changed();
  await clock.advanceSettling(1);
  assert.equal(sent.length, 1, 'the first at once');
  assert.deepEqual([heartbeat.knows('a'), known], [false, 0], 'Auth did not take it');
  await clock.advanceSettling(1000);
  assert.equal(sent.length, 2);
  assert.deepEqual([heartbeat.knows('a'), heartbeat.knows('c'), known], [true, false, 1]);
  names = ['b'];
  await clock.advanceSettling(60_000);
  assert.deepEqual(sent.at(-1)?.removed, ['a']);
  await clock.advanceSettling(60_000);
  assert.deepEqual(sent.at(-1)?.removed, []);
  assert.deepEqual([heartbeat.knows('a'), known], [false, 1]);
  heartbeat.changed();
  await clock.advanceSettling(499);
  assert.equal(sent.length, 4, 'later changes wait for others');
  await heartbeat.goodbye();
  assert.deepEqual(sent.at(-1), { servers: [], removed: ['b'] });
  assert.equal(clock.pendingTimers, 0);
});
