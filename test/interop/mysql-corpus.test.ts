// The answers of MySQL and MariaDB through Tessera equal the direct ones, packet for packet.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { createClientAuthority } from '../kit/client-certificates.ts';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { mysqlAddress, wireAddress } from '../kit/mysql-client.ts';
import { EXTENDED, FLAG, MysqlWire, type WireAddress, type WirePacket } from '../kit/mysql-wire.ts';
import type { Person } from '../kit/person.ts';
import { mariadb1011, mysql9, type MysqlBinaries } from '../servers/mysql-binaries.ts';
import { corpusSchema } from './mysql-corpus.table.ts';
import { type CorpusCase, corpusCases } from './mysql-corpus-cases.ts';

const allowed = `kind: role
version: v8
metadata: {name: corpus}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [reader], db_names: ['*'], db_local_infile: true}
`;

/** What the client asks for, and by which way it comes. Through the listener only what both servers of the cluster can do is offered. */
type Profile = {
  readonly name: string;
  readonly way: 'inside' | 'tunnel';
  readonly flags: number;
  readonly extended?: number;
  readonly only?: 'mysql' | 'mariadb';
};

const profiles: readonly Profile[] = [
  { name: 'listener, as old clients are', way: 'inside', flags: FLAG.localFiles },
  {
    name: 'listener, session tracking, no EOF packets',
    way: 'inside',
    flags: FLAG.localFiles | FLAG.sessionTrack | FLAG.deprecateEof,
  },
  { name: 'tunnel, session tracking', way: 'tunnel', flags: FLAG.localFiles | FLAG.sessionTrack | FLAG.foundRows },
  {
    name: 'tunnel, query attributes, no EOF packets',
    way: 'tunnel',
    flags: FLAG.localFiles | FLAG.deprecateEof | FLAG.queryAttributes,
    only: 'mysql',
  },
  {
    name: 'tunnel, everything',
    way: 'tunnel',
    flags: FLAG.localFiles | FLAG.deprecateEof | FLAG.queryAttributes | FLAG.sessionTrack,
    only: 'mysql',
  },
  {
    name: "tunnel, MariaDB's own, no EOF packets",
    way: 'tunnel',
    flags: FLAG.localFiles | FLAG.deprecateEof,
    extended: EXTENDED.progress | EXTENDED.bulk | EXTENDED.unitResults,
    only: 'mariadb',
  },
];

const found = { orders_mysql: mysql9(), orders_maria: mariadb1011() } as const;
const here = Object.entries(found).filter((each): each is [string, MysqlBinaries] => typeof each[1] !== 'string');

for (const reason of Object.values(found).filter((each) => typeof each === 'string'))
  test('a corpus of statements', { skip: reason }, () => undefined);

suite('MySQL corpus', { skip: here.length === 0 ? 'neither server' : false }, () => {
  let cluster: Cluster;
  let alice: Person;
  let own: Pick<WireAddress, 'ca' | 'cert' | 'key'>;

  before(async () => {
    cluster = await startCluster({ mysql: here.map(([name, binaries]) => ({ name, binaries })) });
    const folder = join(cluster.folder, 'direct');
    mkdirSync(folder);
    const beside = await createClientAuthority(folder);
    const certificate = await beside.issue('reader');
    await Promise.all(here.map(([name]) => cluster.mysql(name).trust(beside.certificate)));
    own = {
      ca: await cluster.tessera('auth', 'export', '--type=db'),
      cert: certificate.certificate,
      key: certificate.privateKey,
    };
    await cluster.tryTessera(['create', '-f', '-'], { input: allowed });
    alice = await cluster.addPerson('alice', ['--roles=corpus']);
    await alice.login();
  });
  after(() => cluster?.close());

  for (const [name, binaries] of here)
    for (const profile of profiles)
      if (profile.only === undefined || profile.only === binaries.flavour)
        suite(`${binaries.name}: ${profile.name}`, () => compare(name, profile));

  function compare(name: string, { way, flags, extended = 0 }: Profile): void {
    const cases = corpusCases(found[name as keyof typeof found] as MysqlBinaries);
    const want = new Map<CorpusCase, readonly string[]>();
    let direct: MysqlWire;
    let through: MysqlWire;

    before(async () => {
      const server = cluster.mysql(name);
      const common = { user: 'reader', database: 'corpus', flags, extended };
      await server.run(corpusSchema);
      direct = await MysqlWire.open({ ...common, ...own, port: server.port });
      for (const one of cases) want.set(one, printed(await one.run(direct)));
      await server.run(corpusSchema);
      const address = wireAddress(await mysqlAddress(alice, name, 'reader'));
      const port = way === 'tunnel' ? (cluster.proxies[0]?.port ?? 0) : address.port;
      through = await MysqlWire.open({ ...address, ...common, way, port });
    });
    after(() => {
      direct?.close();
      through?.close();
    });

    test('both agreed on the same, and say the same of the sign-in', () => {
      assert.equal(through.flags & ~FLAG.mysql, direct.flags & ~FLAG.mysql);
      assert.equal(through.flags & flags, flags);
      assert.equal(through.extended, direct.extended & extended);
      assert.deepEqual(through.accepted.payload, direct.accepted.payload);
    });

    for (const one of cases)
      test(one.name, async () => {
        assert.deepEqual(printed(await one.run(through)), want.get(one));
      });
  }
});

function printed(packets: readonly WirePacket[]): string[] {
  return packets.map(({ sequence, payload, parts }) => {
    const shown =
      payload.length > 1024
        ? `${payload.length} bytes ${createHash('sha256').update(payload).digest('hex')} ${payload.toString('latin1', 0, 100)}...`
        : payload.toString('latin1');
    return `${sequence}${parts > 1 ? ` in ${parts} parts` : ''} ${shown}`;
  });
}
