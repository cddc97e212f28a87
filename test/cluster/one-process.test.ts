// All three services in one process, from one tessera.yaml: they join by themselves at the first start, and need no token at the next.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { invite } from '../kit/person.ts';
import { runOk } from '../kit/command.ts';
import { startService, top, type ServiceProcess } from '../kit/service-process.ts';
import { databaseConfig, openClient } from '../kit/writers.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';
import { freePort, startPostgres, type PostgresServer, type PostgresTls } from '../servers/postgres.ts';

suite('one process with all services', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-one-'));
  let service: ServiceProcess;
  let postgres: PostgresServer | undefined;
  let ports: Ports;

  before(async () => {
    const diagnostics = `127.0.0.1:${await freePort()}`;
    ports = { auth: await freePort(), proxy: await freePort(), database: await freePort(), diagnostics };
    service = startService('one', folder, configText(folder, ports), diagnostics);
  });
  after(async () => {
    await service?.stop('SIGKILL');
    await postgres?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test('it becomes ready by itself', async () => {
    await service.ready();
  });

  test('it starts again, and no start leaves a token behind', async () => {
    postgres = await startPostgres(npmPostgres(), { tls: await signDatabase() });
    await postgres.sql('create role reader login');
    assert.equal(await service.stop('SIGTERM'), 0);
    service.start(configText(folder, { ...ports, database: postgres.port }));
    await service.ready();
    assert.deepEqual(JSON.parse(await tessera('tokens', 'ls', '--format=json')), []);
  });

  test('a person signs in and reads', async () => {
    const output = await tessera('users', 'add', 'alice', '--roles=access', '--db-users=reader', '--db-names=*');
    const link = /https:\/\/\S+\/web\/invite\/\S+/.exec(output)?.[0] ?? assert.fail(output);
    const { ca_pins: pins } = JSON.parse(await tessera('status', '--format=json')) as { readonly ca_pins: string[] };
    const proxy = `localhost:${ports.proxy}`;
    const alice = await invite('alice', link, { home: join(folder, 'home-alice'), proxy, caPin: pins[0] ?? '' });
    await alice.login();
    const client = await openClient(await databaseConfig(alice, 'reader', 'postgres'), ports.proxy);
    assert.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }]);
    await client.end();
  });

  async function signDatabase(): Promise<PostgresTls> {
    const out = join(folder, 'server');
    await tessera('auth', 'sign', '--format=db', '--host=localhost', `--out=${out}`, '--ttl=24h');
    const read = (ending: string): string => readFileSync(`${out}.${ending}`, 'utf8');
    return { certificate: read('crt'), privateKey: read('key'), clientAuthorities: read('cas') };
  }

  function tessera(...args: string[]): Promise<string> {
    return runOk(process.execPath, ['--disable-warning=ExperimentalWarning', join(top, 'bin/tessera.ts'), ...args], {
      env: { TESSERA_CONFIG: service.configFile, TESSERA_HOME: join(folder, 'no-home') },
    });
  }
});

type Ports = {
  readonly auth: number;
  readonly proxy: number;
  readonly database: number;
  readonly diagnostics: string;
};

function configText(folder: string, ports: Ports): string {
  return `version: v1
tessera:
  nodename: one
  data_dir: ${join(folder, 'data')}
  diag_addr: ${ports.diagnostics}
auth_service:
  enabled: yes
  cluster_name: one
  listen_addr: 127.0.0.1:${ports.auth}
proxy_service:
  enabled: yes
  listen_addr: 127.0.0.1:${ports.proxy}
  public_addr: localhost:${ports.proxy}
db_service:
  enabled: yes
  databases:
    - name: orders
      protocol: postgres
      uri: localhost:${ports.database}
      static_labels: {env: test}
`;
}
