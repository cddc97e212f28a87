/** A cluster that looks lived in: people, roles, databases, sessions, refusals, a connector, a lock. For pictures and for trying pages. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPsql, npmPostgres } from '../servers/postgres-binaries.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { runCommand } from './command.ts';
import { invitationLink } from './invitation.ts';
import type { Person } from './person.ts';

export type Showcase = {
  readonly cluster: Cluster;
  /** `host:port` of the web UI. */
  readonly address: string;
  readonly invitations: { readonly administrator: string; readonly reviewer: string };
  close(): Promise<void>;
};

const resources = `kind: role
version: v7
metadata: {name: shop-reader, description: 'Read the shop, no deletes'}
spec:
  options: {max_session_ttl: 8h, client_idle_timeout: 15m}
  allow:
    db_labels: {env: [demo, staging]}
    db_users: [reader]
    db_names: [shop]
---
kind: role
version: v7
metadata: {name: on-call, description: Write where it burns}
spec:
  options: {max_session_ttl: 2h, require_session_mfa: false}
  allow:
    db_labels: {env: demo}
    db_users: [reader, writer]
    db_names: ['*']
  deny:
    db_users: [postgres]
---
kind: oidc
version: v3
metadata: {name: company}
spec:
  display: Company account
  issuer_url: https://id.example.com
  client_id: tessera
  client_secret: not-a-real-secret
  redirect_url: https://access.example.com/v1/webapi/oidc/callback
  claims_to_roles:
    - {claim: groups, value: dba, roles: [on-call]}
    - {claim: groups, value: developers, roles: [shop-reader]}
---
kind: lock
version: v2
metadata: {name: carol-laptop}
spec: {target: {user: carol}, message: laptop was stolen}
`;

/** Starts it; takes some seconds. The caller closes it. `authService`: more lines of its configuration, each indented by two. */
export async function openShowcase(
  onStep: (text: string) => void,
  more: { readonly authService?: string } = {},
): Promise<Showcase> {
  const cluster = await startCluster({
    postgres: npmPostgres(),
    clusterName: 'example',
    labels: '{env: demo, team: shop}',
    dbService: "  resources:\n    - labels: {team: ['*']}\n",
    onStep,
    ...more,
  });
  try {
    await cluster.postgres.sql('create role reader login; create role writer login');
    await cluster.postgres.sql('create database shop owner reader');
    await cluster.postgres.sql(
      `set role reader; create table orders (id int primary key, customer text, total numeric);
       insert into orders select n, 'customer ' || n, n * 1.25 from generate_series(1, 500) n`,
      'shop',
    );
    const file = join(cluster.folder, 'resources.yaml');
    writeFileSync(file, resources);
    await cluster.tessera('create', '-f', file);
    writeFileSync(file, moreDatabases(cluster.postgres.port));
    await cluster.tessera('create', '-f', file);
    const administrator = await invitationLink(cluster, 'ada', [
      '--roles=editor,auditor,access,shop-reader',
      '--db-users=reader,writer',
      '--db-names=*',
    ]);
    const reviewer = await invitationLink(cluster, 'grace', ['--roles=auditor']);
    return {
      cluster,
      address: `localhost:${cluster.proxies[0]?.port}`,
      invitations: { administrator, reviewer },
      close: () => cluster.close(),
    };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** The same server by other names, and one that is not there: so a list is a list. */
function moreDatabases(port: number): string {
  return [
    { name: 'billing', uri: `localhost:${port}`, labels: '{env: staging, team: finance}' },
    { name: 'warehouse', uri: `localhost:${port}`, labels: '{env: prod, team: data, region: eu}' },
    { name: 'archive', uri: 'localhost:9', labels: '{env: prod, team: data}' },
  ]
    .map(
      ({ name, uri, labels }) =>
        `kind: db\nversion: v3\nmetadata: {name: ${name}, labels: ${labels}}\nspec: {protocol: postgres, uri: '${uri}'}\n`,
    )
    .join('---\n');
}

/** Statements, a refusal, wrong passwords, a session that is over (`sessionId`) and, until `end`, one that goes on. Without psql there are no sessions. */
export async function liveALittle({
  cluster,
}: Showcase): Promise<{ readonly sessionId: string; end(): Promise<void> }> {
  const [alice, bob] = await Promise.all([
    cluster.addPerson('alice', ['--roles=shop-reader']),
    cluster.addPerson('bob', ['--roles=on-call']),
  ]);
  await Promise.all([alice.login(), bob.login()]);
  await alice.tryTsh(['login', '--force'], { input: 'wrong\n000000\n' });
  const psql = findPsql();
  if (typeof psql === 'string') return { sessionId: '', end: () => Promise.resolve() };
  await alice.tsh('db', 'login', 'orders', '--db-user=reader', '--db-name=shop');
  await bob.tsh('db', 'login', 'orders', '--db-user=writer', '--db-name=postgres');
  const environmentOf = (person: Person) => ({
    ...person.env,
    ...(psql.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: psql.libraryPath }),
  });
  const run = (person: Person, more: string, input: string) =>
    runCommand(psql.path, ['-X', `service=example-orders ${more}`], { env: environmentOf(person), input });
  await run(alice, '', STATEMENTS);
  await run(alice, 'user=postgres', 'select 1;');
  await run(bob, '', "select now();\nselect count(*) from pg_stat_activity where state = 'active';\n");
  const found = JSON.parse(
    await cluster.tessera('audit', 'search', '--user=alice', '--event=db.session.end', '--format=json'),
  ) as { readonly sid?: string }[];
  const live = spawn(psql.path, ['-X', 'service=example-orders'], {
    env: { ...process.env, ...environmentOf(bob) },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  live.stdin.write('select relname, n_live_tup from pg_stat_user_tables order by 2 desc;\n');
  live.stdin.write('select pg_sleep(600);\n');
  await sleep(1500);
  return {
    sessionId: found[0]?.sid ?? '',
    end: async () => {
      live.kill();
      await new Promise((done) => void live.once('close', done));
    },
  };
}

const STATEMENTS = `select count(*) from orders;
select id, customer, total from orders where total > 600 order by total desc limit 5;
update orders set total = total * 0.9 where customer = 'customer 17';
select * from order_items;
begin;
delete from orders where id > 490;
rollback;
`;
