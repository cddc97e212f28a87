// Who is refused before a session exists is found where an auditor looks: in the Auth Service's log.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { userProfile } from '../../src/pki/profiles.ts';
import { type LoggedEvent, readAuditLog, waitForAudit } from '../kit/audit-log.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import type { Person } from '../kit/person.ts';
import { field, RawPostgres, startup, upgrade } from '../kit/raw-postgres.ts';
import { type DatabaseConfig, databaseConfig } from '../kit/writers.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';

type Shown = { readonly cert: string; readonly key: string };

suite('refusals before a session', () => {
  let cluster: Cluster;
  let alice: Person;
  let config: DatabaseConfig;

  before(async () => {
    cluster = await startCluster({
      postgres: npmPostgres(),
      proxyService: '  limits: {client_refusal_events_per_minute: 20}\n',
    });
    await cluster.postgres.sql('create role reader login');
    alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    await alice.login('--ttl=1m');
    config = await databaseConfig(alice, 'reader', 'postgres');
  });
  after(() => cluster?.close());

  /** The refusal's SQLSTATE. */
  async function refused(shown: Shown | undefined): Promise<string> {
    const socket = await upgrade(connect(cluster.proxies[0]?.port ?? 0, '127.0.0.1'), { ca: config.ca, ...shown });
    socket.on('error', () => undefined);
    socket.write(startup({ user: 'reader', database: 'postgres' }));
    const reply: Buffer = Buffer.concat(await socket.toArray());
    assert.equal(reply[0], 'E'.charCodeAt(0));
    return field(reply.subarray(5), 'C') ?? '';
  }

  function found(reason: string): (events: LoggedEvent[]) => LoggedEvent | undefined {
    return (events) => events.find((event) => event['reason'] === reason);
  }

  function fingerprintOf(pem: string): string {
    return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
  }

  test('no certificate', async () => {
    assert.equal(await refused(undefined), '28000');
    const event = await waitForAudit(cluster, 'the refusal', found('NO_CERTIFICATE'));
    assert.deepEqual([event.event, event.code, event['listener'], event['db_protocol']], [
      'auth',
      'T3007W',
      'database',
      'postgres',
    ]); // prettier-ignore
    assert.match(String(event['addr.remote']), /^127\.0\.0\.1:\d+$/);
    assert.match(String(event['server_id']), /^[0-9a-f-]{36}$/);
  });

  test('a certificate of a foreign authority names nobody, whatever it says', async () => {
    const now = (): number => Date.now();
    const foreign = await createAuthority('user', 'test', now);
    const { privateKeyPem, publicKeyDer } = generateKeyPair();
    const profile = userProfile({
      kind: 'user',
      user: 'alice',
      userKind: 'local',
      roles: ['access'],
      traits: {},
      route: { service: 'orders', protocol: 'postgres' },
    });
    const { pem } = await issueCertificate(foreign, profile, { publicKeyDer, ttlMs: 60_000, nowMs: now() });
    assert.equal(await refused({ cert: pem, key: privateKeyPem }), '28000');
    const event = await waitForAudit(cluster, 'the refusal', found('CERT_FOREIGN_AUTHORITY'));
    assert.equal(event['user'], undefined);
    assert.equal(event['fingerprint'], fingerprintOf(pem));
  });

  test('a person whom a lock keeps out', async () => {
    await cluster.tessera('lock', '--db-service=orders', '--message=moving house', '--ttl=10m');
    const { greeting } = await untilLocked();
    assert.match(greeting, /moving house/);
    const event = await waitForAudit(cluster, 'the refusal', found('locked'));
    assert.deepEqual([event.code, event['user'], event['db_service']], ['TDB00W', 'alice', 'orders']);
    for (const lock of JSON.parse(await cluster.tessera('get', 'locks', '--format=json')) as {
      metadata: { name: string };
    }[])
      await cluster.tessera('rm', `lock/${lock.metadata.name}`);
  });

  /** The lock reaches the proxy within moments. */
  async function untilLocked(): Promise<{ readonly greeting: string }> {
    for (;;) {
      const { client, greeting } = await RawPostgres.open({ ...config });
      client.close();
      const error = greeting.find(({ type }) => type === 'E');
      if (error !== undefined) return { greeting: error.body.toString() };
      await sleep(50);
    }
  }

  test("a bad certificate at Auth's own port, through the proxy", async () => {
    const socket = connectTls({
      port: cluster.proxies[0]?.port ?? 0,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['tessera-auth'],
      cert: config.cert,
      key: config.key,
    });
    const { connect: connectHttp2 } = await import('node:http2');
    const session = connectHttp2('https://auth', { createConnection: () => socket });
    session.on('error', () => undefined);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/tessera.auth.v1.AuthService/Heartbeat',
      'content-type': 'application/json',
    });
    stream.end('{}');
    stream.resume();
    await new Promise((resolve) => stream.once('close', resolve));
    session.destroy();
    const event = await waitForAudit(cluster, 'the refusal', found('ROUTE_CERTIFICATE'));
    assert.deepEqual([event.code, event['listener'], event['addr.remote']], ['T3007W', 'auth', '127.0.0.1']);
  });

  test('an expired certificate names its holder', async () => {
    const endMs = Date.parse(new X509Certificate(config.cert).validTo);
    await sleep(Math.max(0, endMs - Date.now()) + 1500);
    assert.equal(await refused(config), '28000');
    const event = await waitForAudit(cluster, 'the refusal', found('CERT_EXPIRED'));
    assert.deepEqual([event.code, event['user'], event['db_service']], ['T3007W', 'alice', 'orders']);
    assert.equal(event['fingerprint'], fingerprintOf(config.cert));
  });

  test("the proxy's own backlog stands in the status and in its metrics; a flood is counted", async () => {
    for (let n = 0; n < 30; n += 1) await refused(undefined);
    const told = (): number => readAuditLog(cluster).filter((event) => event['reason'] === 'NO_CERTIFICATE').length;
    await sleep(1000);
    assert.ok(told() <= 2 * 20, `${told()} events of one address`);
    const metrics = (await cluster.proxies[0]?.metrics()) ?? '';
    assert.match(metrics, /tessera_audit_backlog_bytes\{service="proxy",destination="auth"\} \d+/);
    assert.match(metrics, /tessera_audit_refusals_left_out_total [1-9]/);
    const status = JSON.parse(await cluster.tessera('status', '--format=json')) as {
      services: { role: string; audit_backlog_bytes: number; audit_lag_milliseconds: number }[];
    };
    const proxy = status.services.find(({ role }) => role === 'proxy');
    assert.ok(proxy !== undefined && proxy.audit_backlog_bytes >= 0 && proxy.audit_lag_milliseconds < 60_000);
  });
});
