// A database in MySQL's place that has been taken over, or is none at all: the person gets words or a clean end, nothing of the person's machine is given away, and nobody else notices.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { createAuthority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { databaseServerProfile } from '../../src/pki/profiles.ts';
import { encodePacket } from '../../src/protocol/mysql/packet.ts';
import { waitForAudit } from '../kit/audit-log.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { residentMb } from '../kit/hostile.ts';
import { mysqlAddress, wireAddress } from '../kit/mysql-client.ts';
import { type StandIn, startStandIn } from '../kit/mysql-stand-in.ts';
import { FLAG, MysqlWire, type WireAddress, type WirePacket, WireRefusal } from '../kit/mysql-wire.ts';
import { dialMysql, mysqlResponse } from '../kit/raw-mysql.ts';
import { mariadb1011, type MysqlBinaries } from '../servers/mysql-binaries.ts';
import {
  answering,
  answers,
  type Behaviour,
  fileRefused,
  floodBytes,
  floodPackets,
  floods,
  goodAnswer,
  malformed,
  ok,
  schema,
  redirect,
  type Row,
  say,
  signIns,
  trap,
  unlessProbed,
} from './mysql-hostile-database.table.ts';

const maxGrowthMb = 150;

const binaries = mariadb1011();
if (typeof binaries === 'string') test('a hostile database in place of MySQL', { skip: binaries }, () => undefined);
else suite('a hostile database in place of MySQL', () => attacks(binaries));

function attacks(of: MysqlBinaries): void {
  let cluster: Cluster;
  let standIn: StandIn;
  let own: SecureContext = createSecureContext();
  let foreign: SecureContext;
  let behaviour: Behaviour = {};
  let victim: WireAddress;
  let bystander: MysqlWire;
  let beforeMb: number[] = [];

  before(async () => {
    foreign = await foreignContext();
    standIn = await startStandIn(() => ({
      secureContext: behaviour.shows === 'foreign' ? foreign : own,
      script: unlessProbed(behaviour.script),
      ...(behaviour.opening === undefined ? {} : { opening: behaviour.opening }),
    }));
    cluster = await startCluster({
      mysql: [{ name: 'goods', binaries: of }],
      dbService: `    - {name: hostile, protocol: mysql, uri: "localhost:${standIn.port}"}\n  limits: {connect_timeout: 2s}\n`,
    });
    const { certificate, privateKey } = await cluster.signDatabase('hostile');
    own = createSecureContext({ cert: certificate, key: privateKey });
    const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=shop,spare']);
    await alice.login();
    const address = async (service: string): Promise<WireAddress> => ({
      ...wireAddress(await mysqlAddress(alice, service, 'reader')),
      database: 'shop',
      flags: FLAG.localFiles | FLAG.sessionTrack,
    });
    bystander = await MysqlWire.open(await address('goods'));
    victim = await address('hostile');
    beforeMb = residentMb(cluster);
  });
  after(async () => {
    bystander?.close();
    await cluster?.close();
    await standIn?.close();
  });

  for (const { name, code, text = /./, ...what } of signIns) {
    test(`at sign-in it ${name}`, async () => {
      behaviour = what;
      const refusal: unknown = await MysqlWire.open(victim).catch((error: unknown) => error);
      assert.ok(refusal instanceof WireRefusal, String(refusal));
      assert.deepEqual([refusal.code, refusal.sequence], [code, 3], refusal.message);
      assert.match(refusal.message, text);
      assert.ok(!refusal.message.includes(trap));
      await alive(bystander);
    });
  }

  test('at sign-in it sends the client elsewhere: nobody hears of it', async () => {
    behaviour = { script: answering(say(...goodAnswer), ok([...redirect, ...schema('shop')])) };
    const wire = await MysqlWire.open(victim);
    assert.ok(!wire.accepted.payload.includes(trap));
    await alive(wire);
    wire.close();
  });

  test('it speaks before it is asked', async () => {
    behaviour = { script: (client) => say(ok(schema('shop')), ok())(client) };
    const wire = await MysqlWire.open(victim);
    await gets(wire, [`${malformed}@1`], 'ends');
  });

  for (const { name, answer, gets: wanted, ending } of answers) {
    test(`to a statement it answers ${name}`, async () => {
      behaviour = { script: answering(answer) };
      const wire = await MysqlWire.open(victim);
      wire.send(wire.queryPayload(`select '${trap}'`));
      await gets(wire, wanted, ending);
      await alive(bystander);
    });
  }

  for (const { name, begin, bytes } of floods) {
    test(`to a statement it answers ${name}, to a client that reads and one that does not`, async () => {
      behaviour = { script: answering(async (client) => { say(...begin)(client); await floodPackets(client, begin.length + 1, bytes); }) }; // prettier-ignore
      const who = { certificate: victim.cert, privateKey: victim.key };
      const sockets = await Promise.all([1, 2].map(async () => (await dialMysql(victim.port, who)).socket));
      const [reading, stalled] = sockets;
      let read = 0;
      for (const socket of sockets) {
        socket.write(mysqlResponse(2, { user: 'reader', database: 'shop' }));
        await once(socket, 'data');
        socket.write(encodePacket(0, Buffer.from('\x03select 1')));
      }
      stalled?.pause();
      reading?.on('data', (chunk: Buffer) => (read += chunk.length));
      for (let tries = 0; read < floodBytes && tries < 200; tries++) await sleep(50);
      assert.ok(read >= floodBytes, `${read} bytes came`);
      await alive(bystander);
      for (const [index, mb] of residentMb(cluster).entries())
        assert.ok(mb - (beforeMb[index] ?? 0) < maxGrowthMb, `grew from ${beforeMb[index]} to ${mb} MB`);
      for (const socket of sockets) socket.destroy();
    });
  }

  test('all services live, and nobody logged a bug or what was said', () => {
    for (const service of [cluster.auth, ...cluster.proxies, ...cluster.agents]) {
      const log = service.log();
      assert.doesNotMatch(log, /uncaught|unhandled|"code":"BUG"|please report/i, service.name);
      assert.ok(!log.includes(trap), `${service.name} logged what was said`);
    }
  });

  test('what the database did is on record', async () => {
    const end = await waitForAudit(cluster, 'the end of a session with a malformed answer', (events) =>
      events.find((event) => event.code === 'TDB01I' && event['reason'] === 'internal'),
    );
    assert.deepEqual([end['db_service'], end['closed_by']], ['hostile', 'refusal']);
    await waitForAudit(cluster, 'the wish for a file', (events) =>
      events.find((event) => event.event === 'db.session.result' && String(event['error_code']) === fileRefused),
    );
  });
}

async function gets(wire: MysqlWire, wanted: Row['gets'], ending: Row['ending']): Promise<void> {
  const got: string[] = [];
  for (const expected of wanted) {
    const packet = await wire.next();
    assert.ok(!packet.payload.subarray(1).includes(trap) || expected.startsWith('0xfb'), 'it got the trap');
    got.push(`${kindOf(packet)}@${packet.sequence}`);
  }
  assert.deepEqual(got, wanted);
  if (ending === 'ends') await assert.rejects(wire.next(), /closed/);
  else await alive(wire);
  wire.close();
}

function kindOf({ payload }: WirePacket): string {
  if (payload[0] === 0) return 'ok';
  return payload[0] === 0xff ? String(payload.readUInt16LE(1)) : `0x${payload.toString('hex', 0, 1)}`;
}

async function alive(wire: MysqlWire): Promise<void> {
  assert.deepEqual((await wire.query('select 1')).at(-2)?.payload, Buffer.from('\x011'));
}

/** A certificate for localhost that no authority of the cluster signed. */
async function foreignContext(): Promise<SecureContext> {
  const nowMs = Date.now();
  const authority = await createAuthority('db', 'test', () => nowMs);
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const { pem } = await issueCertificate(authority, databaseServerProfile(['localhost']), {
    publicKeyDer,
    ttlMs: 3_600_000,
    nowMs,
  });
  return createSecureContext({ cert: pem, key: privateKeyPem });
}
