import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dialRaw, errorFields, readAll, secure, startup, until } from '../../../test/kit/gateway.ts';
import { readGreeting } from '../../../test/kit/raw-mysql.ts';
import { defaultMysqlServerVersion } from '../../config/defaults.ts';
import { parseConfig } from '../../config/parse.ts';
import { ConfigError } from '../../errors.ts';
import { connectAuth } from '../../rpc/client.ts';
import { createInstruments } from '../../telemetry/instruments.ts';
import { silentLog } from '../../telemetry/log.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { TestAuth } from '../auth/auth.fixture.ts';
import { startProxyService } from './proxy.ts';

function configOf(
  auth: TestAuth,
  dataDir: string,
  join: { readonly token: string; readonly caPins: readonly string[] },
  more = '',
): ReturnType<typeof parseConfig> {
  const lines = [
    'version: v1',
    'tessera:',
    '  nodename: proxy-1',
    `  data_dir: ${dataDir}`,
    `  auth_server: ${auth.address}`,
    `  join_token: ${join.token}`,
    `  ca_pin: ${join.caPins[0]}`,
    'proxy_service:',
    '  enabled: yes',
    '  listen_addr: 127.0.0.1:0',
    '  public_addr: localhost:3080',
    '  mysql_listen_addr: 127.0.0.1:0',
    more,
  ];
  return parseConfig(lines.join('\n'), 'test.yaml');
}

async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries += 1) {
    assert.ok(tries < 100, condition.toString());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a proxy joins, becomes ready, tells of itself, joins callers with Auth, and drains', async () => {
  const auth = await TestAuth.start();
  const dataDir = await mkdtemp(join(tmpdir(), 'tessera-proxy-'));
  try {
    const base = await auth.service.localJoin('proxy');
    const config = configOf(auth, dataDir, base);
    const proxy = await startProxyService({
      config,
      clock: auth.clock,
      log: silentLog,
      instruments: createInstruments(new Metrics(), { version: 'test', service: 'proxy' }),
      version: '9.9.9',
    });
    await until(() => proxy.readiness().ready);
    const port = Number(/:(\d+)$/.exec(proxy.addresses['public'] ?? '')?.[1]);

    const trust = { ca: [...auth.hostAuthorities], rejectUnauthorized: true, servername: 'localhost' };
    const web = await secure(await dialRaw(port), trust);
    const answer = readAll(web);
    web.write('GET /webapi/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const ping = JSON.parse((await answer).toString().split('\r\n\r\n')[1] ?? '') as Record<string, unknown>;
    assert.equal(ping['server_version'], '9.9.9');
    // Without mysql_public_addr: the name by which the proxy is known, and the port on which it listens.
    const mysqlPort = Number(/:(\d+)$/.exec(proxy.addresses['mysql'] ?? '')?.[1]);
    assert.deepEqual(ping['proxy'], {
      public_addr: 'localhost:3080',
      mysql_public_addr: `localhost:${mysqlPort}`,
    });
    const look = await dialRaw(mysqlPort);
    assert.equal((await readGreeting(look)).greeting.serverVersion, defaultMysqlServerVersion);
    look.destroy();
    assert.deepEqual(ping['ca_pins'], [auth.pin]);

    const through = connectAuth({
      addresses: [`127.0.0.1:${port}`],
      via: 'proxy',
      identity: undefined,
      trust: { hostAuthorities: auth.hostAuthorities },
      log: silentLog,
    });
    assert.equal((await through.client.ping({})).clusterName, ping['cluster_name']);
    through.close();

    await until(() => proxy.readiness().ready);
    const { resources } = await auth.admin.client.listResources({ kind: 'proxy_server' });
    assert.equal(resources.length, 1);
    assert.equal(
      (JSON.parse(resources[0]?.json ?? '') as { spec: { public_addr: string } }).spec.public_addr,
      'localhost:3080',
    );

    const { services } = await auth.admin.client.status({});
    assert.deepEqual(
      services
        .filter(({ role }) => role === 'proxy')
        .map(({ publicAddr, mysqlPublicAddr }) => [publicAddr, mysqlPublicAddr]),
      [['localhost:3080', `localhost:${mysqlPort}`]],
    );

    await assert.rejects(
      proxy.reload(
        configOf(
          auth,
          dataDir,
          base,
          `  https_keypairs: [{key_file: ${dataDir}/none.key, cert_file: ${dataDir}/none.crt}]\n`,
        ),
      ),
      ConfigError,
    );
    await proxy.reload(
      configOf(auth, dataDir, base, '  mysql_server_version: 8.4.5\n  mysql_public_addr: mysql.example.com:3036\n'),
    );
    await until(() => proxy.readiness().ready);
    // The name is in the host certificate soon, which clients of MySQL verify.
    await untilAsync(async () => {
      const probe = await secure(await dialRaw(port), { ALPNProtocols: ['tessera-mysql'] });
      const shown = probe.getPeerX509Certificate()?.checkHost('mysql.example.com');
      probe.destroy();
      return shown !== undefined;
    });
    const again = await dialRaw(mysqlPort);
    assert.equal((await readGreeting(again)).greeting.serverVersion, '8.4.5');
    again.destroy();
    const raw = await dialRaw(port);
    const refusal = readAll(raw);
    raw.write(startup());
    assert.equal(errorFields(await refusal)['C'], '28000');
    await proxy.drain(1000);
    assert.equal(proxy.readiness().ready, false);
    await assert.rejects(dialRaw(port));
    await assert.rejects(dialRaw(mysqlPort));
  } finally {
    await auth.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});
