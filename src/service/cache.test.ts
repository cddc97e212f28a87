import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PutResourceRequest_Mode } from '../../gen/tessera/auth/v1/auth_pb.ts';
import { fromConnectError } from '../rpc/errors.ts';
import type { Kind } from '../resource/resource.ts';
import { systemClock } from '../telemetry/clock.ts';
import { silentLog } from '../telemetry/log.ts';
import { startTestService, TestAuth, type TestHost } from './auth/auth.fixture.ts';
import { type CacheChange, type ClusterCache, DATABASE_KINDS, openClusterCache, PROXY_KINDS } from './cache.ts';

/** The copy of the cluster, fed by a real Auth. */

let auth: TestAuth;
let agent: TestHost;
let proxy: TestHost;

before(async () => {
  auth = await TestAuth.start();
  agent = await auth.join('database');
  proxy = await auth.join('proxy');
});
after(() => auth.stop());

const open = (host: TestHost, kinds: readonly Kind[]): ClusterCache =>
  openClusterCache({ client: host.connection.client, kinds, clock: systemClock, log: silentLog, maxBackoffMs: 100 });
const put = (resource: object) =>
  auth.admin.client.putResource({ json: JSON.stringify(resource), mode: PutResourceRequest_Mode.UPSERT });
const lock = (name: string) => ({ kind: 'lock', version: 'v2', metadata: { name }, spec: { target: { user: name } } });

/** The next change that fits. */
function change(cache: ClusterCache, fits: (change: CacheChange) => boolean): Promise<CacheChange> {
  return new Promise((resolve) => {
    const stop = cache.onChange((one) => {
      if (!fits(one)) return;
      stop();
      resolve(one);
    });
  });
}

test('a full picture, then changes as they come', async () => {
  const cache = open(agent, DATABASE_KINDS);
  assert.equal(cache.ageMs(), Number.POSITIVE_INFINITY);
  await cache.ready;
  assert.ok(cache.ageMs() < 1000);
  assert.equal(cache.role('access')?.spec.options.max_session_ttl, 30 * 3_600_000);
  assert.equal(cache.preference()?.spec.default_session_ttl, 12 * 3_600_000);
  assert.equal(cache.authorities('user').length, 1);
  assert.match(cache.authorities('host')[0] ?? '', /BEGIN CERTIFICATE/);
  const added = change(cache, (one) => one.kind === 'lock' && one.type === 'put');
  await put(lock('mallory'));
  assert.equal((await added).name, 'mallory');
  assert.deepEqual(
    cache.locks().map((one) => one.spec.target.user),
    ['mallory'],
  );
  const removed = change(cache, (one) => one.kind === 'lock' && one.type === 'remove');
  await auth.admin.client.deleteResource({ kind: 'lock', name: 'mallory' });
  await removed;
  assert.deepEqual(cache.locks(), []);
  await cache.close();
});

test('presence reaches a proxy; a heartbeat that says the same again is no change', async () => {
  const cache = open(proxy, PROXY_KINDS);
  await cache.ready;
  const seen: string[] = [];
  cache.onChange((one) => seen.push(one.name));
  const served = change(cache, (one) => one.kind === 'db_server');
  await auth.serve(agent, [{ name: 'orders' }]);
  await served;
  await auth.serve(agent, [{ name: 'orders' }]);
  const marker = change(cache, (one) => one.name === 'marker');
  await put(lock('marker'));
  await marker;
  assert.deepEqual(seen, [`${agent.hostId}/orders`, 'marker']);
  assert.equal(cache.databaseServers()[0]?.spec.database.metadata.name, 'orders');
  await auth.admin.client.deleteResource({ kind: 'lock', name: 'marker' });
  await cache.close();
});

const denied = [
  { role: 'proxy', kind: 'role' },
  { role: 'proxy', kind: 'user' },
  { role: 'proxy', kind: 'token' },
  { role: 'database', kind: 'user' },
  { role: 'database', kind: 'token' },
  { role: 'database', kind: 'db_server' },
  { role: 'database', kind: '' },
] as const;
for (const row of denied) {
  test(`a ${row.role} service may not watch ${row.kind || 'nothing'}`, async () => {
    const { client } = row.role === 'proxy' ? proxy.connection : agent.connection;
    const watch = async (): Promise<void> => {
      for await (const _ of client.watch({ kinds: ['lock', row.kind] })) assert.fail('it may');
    };
    await assert.rejects(watch(), (error) => fromConnectError(error).code === 'WATCH_KIND_DENIED');
  });
}

test('Auth away: the copy keeps answering and grows older; what happened meanwhile is there after', async () => {
  const own = await TestAuth.start();
  const host = await own.join('database');
  const cache = open(host, DATABASE_KINDS);
  await cache.ready;
  const port = Number(own.address.split(':')[1]);
  await own.service.drain(0);
  assert.ok(cache.role('access') !== undefined);
  const agedMs = cache.ageMs();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(cache.ageMs() > agedMs);
  const service = await startTestService(own.dataDir, own.clock, { port });
  const back = change(cache, (one) => one.name === 'meanwhile');
  // The administrator's key is new after a restart.
  const { readFile } = await import('node:fs/promises');
  const read = (name: string): Promise<string> => readFile(`${own.dataDir}/auth/admin/${name}`, 'utf8');
  const admin = own.connect({ certificate: await read('admin.crt'), privateKey: await read('admin.key') });
  await admin.client.putResource({ json: JSON.stringify(lock('meanwhile')), mode: PutResourceRequest_Mode.CREATE });
  await back;
  assert.equal(cache.locks().length, 1);
  await cache.close();
  await service.drain(0);
  await own.stop();
});

test('a watch resumes after a revision without a full picture, and begins anew after one that never was', async () => {
  const first = async (afterRevision: bigint) => {
    for await (const message of agent.connection.client.watch({ kinds: ['lock'], afterRevision })) return message;
    return undefined;
  };
  const full = await first(0n);
  assert.equal(full?.type, 1);
  assert.equal((await first(full?.revision ?? 0n))?.type, 4);
  assert.equal((await first(1_000_000n))?.type, 1);
});
