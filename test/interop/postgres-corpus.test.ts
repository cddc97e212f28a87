// PostgreSQL's answers through Tessera equal the direct ones, byte for byte.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { createClientAuthority } from '../kit/client-certificates.ts';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import type { Person } from '../kit/person.ts';
import {
  bind,
  execute,
  message,
  parse,
  RawPostgres,
  sync,
  type RawAddress,
  type RawMessage,
} from '../kit/raw-postgres.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';
import { corpusSchema, extendedStatements, simpleStatements } from './corpus.table.ts';

suite('PostgreSQL corpus', () => {
  let cluster: Cluster;
  let direct: RawPostgres;
  let through: RawPostgres;
  let greetings: { readonly direct: readonly RawMessage[]; readonly through: readonly RawMessage[] };

  before(async () => {
    cluster = await startCluster({ postgres: npmPostgres() });
    await cluster.postgres.sql('create role reader login');
    await cluster.postgres.sql('create database corpus_direct');
    await cluster.postgres.sql(corpusSchema, 'corpus_direct');
    // A copy keeps every oid, so that RowDescriptions can be equal.
    await cluster.postgres.sql('create database corpus_through template corpus_direct');
    const folder = join(cluster.folder, 'direct');
    mkdirSync(folder);
    const beside = await createClientAuthority(folder);
    const tls = await cluster.signDatabase('both');
    cluster.postgres.reload({ tls: { ...tls, clientAuthorities: `${tls.clientAuthorities}\n${beside.certificate}` } });
    const certificate = await beside.issue('reader');
    const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    await alice.login();
    const one = await RawPostgres.open({
      port: cluster.postgres.port,
      user: 'reader',
      database: 'corpus_direct',
      ca: await cluster.tessera('auth', 'export', '--type=db'),
      cert: certificate.certificate,
      key: certificate.privateKey,
    });
    const other = await RawPostgres.open(await addressOf(alice, 'corpus_through'));
    direct = one.client;
    through = other.client;
    greetings = { direct: one.greeting, through: other.greeting };
  });
  after(async () => {
    direct?.close();
    through?.close();
    await cluster?.close();
  });

  test('the greeting differs in the cancel key alone', () => {
    assert.deepEqual(withoutKey(greetings.through), withoutKey(greetings.direct));
  });

  for (const [index, sql] of simpleStatements.entries()) {
    test(`simple ${index}: ${sql.slice(0, 60)}`, async () => {
      const [got, want] = [await through.query(sql), await direct.query(sql)];
      assert.deepEqual(printed(got), printed(want));
    });
  }

  for (const [index, { sql, values }] of extendedStatements.entries()) {
    for (const format of [0, 1] as const) {
      test(`extended ${index} ${format === 0 ? 'text' : 'binary'}: ${sql.slice(0, 60)}`, async () => {
        const [got, want] = [await through.extended(sql, values, format), await direct.extended(sql, values, format)];
        assert.deepEqual(printed(got), printed(want));
      });
    }
  }

  test('a pipeline whose second statement fails: the third gets no answer', async () => {
    const pipeline = ['select 1', 'select 1/0', 'select 3'].flatMap((sql) => [
      parse('', sql),
      bind('', '', [], 0),
      execute('', 0),
    ]);
    const bytes = Buffer.concat([...pipeline, sync]);
    assert.deepEqual(printed(await exchange(through, bytes)), printed(await exchange(direct, bytes)));
  });

  test('a portal fetched in pieces', async () => {
    const bytes = Buffer.concat([
      parse('', 'select * from many(5)'),
      bind('p', '', [], 1),
      execute('p', 2),
      execute('p', 2),
      execute('p', 2),
      sync,
    ]);
    assert.deepEqual(printed(await exchange(through, bytes)), printed(await exchange(direct, bytes)));
  });

  test('COPY from the client, with an error in the middle', async () => {
    for (const rows of ['1\t2\n3\t4\n', '1\t2\nx\ty\n5\t6\n']) {
      const bytes = [
        message(
          'Q',
          Buffer.from('create temp table if not exists c (a int, b int); copy c from stdin; select count(*) from c\0'),
        ),
        message('d', Buffer.from(rows)),
        message('c', Buffer.alloc(0)),
      ];
      assert.deepEqual(
        printed(await exchange(through, Buffer.concat(bytes))),
        printed(await exchange(direct, Buffer.concat(bytes))),
      );
    }
  });

  test('COPY given up by the client', async () => {
    const bytes = Buffer.concat([
      message('Q', Buffer.from('copy work (v) from stdin\0')),
      message('f', Buffer.from('changed my mind\0')),
    ]);
    assert.deepEqual(printed(await exchange(through, bytes)), printed(await exchange(direct, bytes)));
  });

  test('a function call', async () => {
    const [found] = await cluster.postgres.sql("select oid from pg_proc where proname = 'int4pl'");
    const oid = Buffer.alloc(4);
    oid.writeUInt32BE(Number(found?.['oid']));
    const body = Buffer.concat([oid, Buffer.from([0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0x37, 0, 0, 0, 1, 0x38, 0, 0])]);
    assert.deepEqual(
      printed(await exchange(through, message('F', body))),
      printed(await exchange(direct, message('F', body))),
    );
  });
});

async function exchange(client: RawPostgres, bytes: Uint8Array): Promise<readonly RawMessage[]> {
  client.send(bytes);
  return client.until(['Z']);
}

function printed(messages: readonly RawMessage[]): string[] {
  return messages.map(
    ({ type, body }) =>
      `${type} ${body.length > 4096 ? `${body.length} bytes ${body.toString('latin1').slice(0, 200)}... ${checksum(body)}` : body.toString('latin1')}`,
  );
}

function checksum(body: Buffer): number {
  let sum = 0;
  for (const byte of body) sum = (sum * 31 + byte) >>> 0;
  return sum;
}

function withoutKey(messages: readonly RawMessage[]): string[] {
  return printed(messages.filter(({ type }) => type !== 'K')).sort((a, b) => a.localeCompare(b));
}

async function addressOf(person: Person, database: string): Promise<RawAddress> {
  await person.tsh('db', 'login', 'orders', '--db-user=reader', `--db-name=${database}`);
  const config = JSON.parse(await person.tsh('db', 'config', 'orders', '--format=json')) as Record<
    'ca' | 'cert' | 'key' | 'user' | 'database',
    string
  > & { port: number };
  const read = (name: 'ca' | 'cert' | 'key'): string => readFileSync(config[name], 'utf8');
  return {
    port: Number(config.port),
    user: config.user,
    database: config.database,
    ca: read('ca'),
    cert: read('cert'),
    key: read('key'),
  };
}
