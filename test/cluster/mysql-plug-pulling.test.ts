// kill -9 of each service in the middle of clients that write to MariaDB and MySQL, by texts and by prepared statements: what was committed stands in the audit log exactly once.
import { test } from 'node:test';
import { startCluster, type MysqlDatabase } from '../kit/cluster.ts';
import { mysqlAddress, openMysqlWriter, type MysqlWriterWay } from '../kit/mysql-client.ts';
import { pullPlugs, type PlugPullingRig } from '../kit/plug-pulling.ts';
import { mariadb1011, mysql9 } from '../servers/mysql-binaries.ts';

const ways: readonly MysqlWriterWay[] = ['text', 'prepared'];
const writersOfEach = 2;

const databases: MysqlDatabase[] = [];
for (const [name, binaries] of Object.entries({ mariadb: mariadb1011(), mysql: mysql9() })) {
  if (typeof binaries === 'string') test(`pulling plugs of ${name}`, { skip: binaries }, () => undefined);
  else databases.push({ name, binaries });
}
if (databases.length > 0)
  pullPlugs(`pulling plugs of ${databases.map(({ name }) => name).join(' and ')}`, () => start());

async function start(): Promise<PlugPullingRig> {
  const cluster = await startCluster({ mysql: databases });
  const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=alice', '--db-names=*']);
  await alice.login();
  const addresses = [];
  for (const { name } of databases) addresses.push(await mysqlAddress(alice, name, 'alice', 'shop'));
  const kinds = addresses.flatMap((address) => ways.map((way) => () => openMysqlWriter(address, way)));
  const servers = databases.map(({ name }) => cluster.mysql(name));
  return {
    cluster,
    writers: kinds.length * writersOfEach,
    open: (writer) => kinds[writer % kinds.length]?.() ?? Promise.reject(new Error('no way to write')),
    async clear() {
      const sql = 'drop table if exists written; create table written (writer varchar(10), n int)';
      for (const server of servers) await server.run(sql, 'shop');
    },
    async committed() {
      const printed = await Promise.all(
        servers.map((server) => server.run("select concat(writer, '/', n) from written", 'shop')),
      );
      return printed.flatMap((lines) => lines.split('\n')).filter((line) => line !== '');
    },
    rowOf(event) {
      const text = String(event['db_query']);
      if (!text.startsWith('insert into written')) return;
      if (event.event === 'db.session.mysql.statements.execute') {
        const [writer, n] = event['parameters'] as readonly string[];
        return `${writer}/${n}`;
      }
      const [, writer, n] = /values \('(\w+)', (\d+)\)$/.exec(text) ?? [];
      return event.event === 'db.session.query' ? `${writer}/${n}` : undefined;
    },
  };
}
