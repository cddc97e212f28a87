// A role that is taken away counts in sessions that begin later, also for what they ask after their sign-in.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { mysqlAddress, openMysql2 } from '../kit/mysql-client.ts';
import type { MysqlAddress } from '../kit/mysql-command.ts';
import { mariadb1011 } from '../servers/mysql-binaries.ts';

const roles = `kind: role
version: v7
metadata: {name: shop-only}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [reader], db_names: [shop]}
---
kind: role
version: v7
metadata: {name: everything}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [reader], db_names: ['*']}
`;

const binaries = mariadb1011();

suite('a role taken away', { skip: typeof binaries === 'string' ? binaries : false }, () => {
  let cluster: Cluster;
  let address: MysqlAddress;

  before(async () => {
    if (typeof binaries === 'string') return;
    cluster = await startCluster({ mysql: [{ name: 'goods', binaries }] });
    const file = join(cluster.folder, 'roles.yaml');
    writeFileSync(file, roles);
    await cluster.tessera('create', '-f', file);
    const alice = await cluster.addPerson('alice', ['--roles=shop-only,everything']);
    await alice.login();
    address = await mysqlAddress(alice, 'goods', 'reader');
  });
  after(() => cluster?.close());

  test('the certificate still names it, and yet no USE goes by it', async () => {
    await cluster.tessera('users', 'update', 'alice', '--set-roles=shop-only');
    const connection = await openMysql2(address, { database: 'shop' });
    await assert.rejects(connection.query('use other'), { errno: 1044 });
    await connection.query('use shop');
    await connection.query('select 1');
    await connection.end();
  });
});
