// Two proxies and two agents: a KILL by the number of a greeting finds the session, whatever proxy and agent it comes in by, and nobody else's.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoggedEvent, readAuditLog, waitForAudit } from '../kit/audit-log.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { runCommand } from '../kit/command.ts';
import { mysqlAddress, wireAddress } from '../kit/mysql-client.ts';
import { type MysqlAddress, mysqlArguments } from '../kit/mysql-command.ts';
import { MysqlWire, type WireAddress, type WirePacket } from '../kit/mysql-wire.ts';
import { mariadb1011, mysql9, type MysqlBinaries } from '../servers/mysql-binaries.ts';

/** Ctrl-C at most so often, two at once, until both cases were seen: that the two sessions were always at one agent is as likely as 1 in 2^16. */
const rounds = 16;
const sleepSeconds = 9;
const interruptedAfterMs = 7000;
const shortSeconds = 15;

for (const binaries of [mysql9(), mariadb1011()]) {
  if (typeof binaries === 'string') test('KILL between agents', { skip: binaries }, () => undefined);
  else suite(`KILL between agents of ${binaries.name}`, () => kills(binaries));
}

function kills(binaries: MysqlBinaries): void {
  let cluster: Cluster;
  let alice: MysqlAddress;
  let bob: MysqlAddress;

  before(async () => {
    cluster = await startCluster({ mysql: [{ name: 'goods', binaries }], proxies: 2, agents: 2 });
    [alice, bob] = await Promise.all([signIn('alice'), signIn('bob')]);
    await bothAgentsServe();
  });
  after(() => cluster?.close());

  test('Ctrl-C in the client stops the statement, also when another agent has it', async () => {
    for (let round = 0; round < rounds; round += 2) {
      await Promise.all([round, round + 1].map((number) => interrupted(number)));
      if (round >= 2 && elsewhere().length > 0 && here().length > 0) return;
    }
    assert.notEqual(elsewhere().length, 0, 'at another agent');
  });

  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ] as const)
    // prettier-ignore
    test(`the session came in by proxy ${from + 1}, its KILL by proxy ${to + 1}`, async () => {
      for (const what of ['query', 'connection'] as const) {
        const killed = await killedElsewhere(at(alice, from), at(alice, to), what);
        assert.equal(killed['user'], 'alice');
        assert.equal(killed['running'], 1);
      }
    });

  test('the words: an error for the statement, the end for the session, and what the log says', async () => {
    const query = await killedElsewhere(at(alice, 0), at(alice, 0), 'query');
    const asked = await eventOf((event) => event.code === 'TDB02I' && event['sid'] === query['killed_by_sid']);
    assert.deepEqual([asked['asked_other_agents'], asked['process_id']], [true, query['process_id']]);
    assert.notEqual(asked['server_id'], query['server_id']);
    const connection = await killedElsewhere(at(alice, 0), at(alice, 0), 'connection');
    await eventOf(
      (event) => event.code === 'T3006I' && event['sid'] === connection['sid'] && event['reason'] === 'killed',
    );
    await eventOf(
      (event) => event.code === 'TDB01I' && event['sid'] === connection['sid'] && event['reason'] === 'killed',
    );
  });

  test("another person's session is not found, at any agent, though both are the same to the database", async () => {
    const victim = await MysqlWire.open(at(alice, 0));
    const { connectionId } = victim.greeting;
    const before = readAuditLog(cluster).filter(isKilled).length;
    victim.send(victim.queryPayload('select sleep(4)'));
    await sleep(300);
    for (let count = 0; count < 8; count++) {
      const attacker = await MysqlWire.open(at(bob, count % 2));
      await attacker.query(`kill ${count % 2 === 0 ? 'query' : 'connection'} ${connectionId}`);
      attacker.close();
    }
    assert.deepEqual(oneValue(await victim.answer('result')), '0', 'she slept to the end');
    victim.close();
    await waitForAudit(cluster, 'the eight KILLs', (events) => (killsOf(events, 'bob') === 8 ? true : undefined));
    await sleep(500);
    assert.equal(readAuditLog(cluster).filter(isKilled).length, before);
  });

  test('a session whose database certificate is over is stopped by the agent that asks', async () => {
    const carol = await cluster.addPerson('carol', ['--roles=access', '--db-users=reader', '--db-names=*']);
    // A database certificate lives no longer than the person's.
    await carol.login(`--ttl=${shortSeconds}s`);
    const old = await mysqlAddress(carol, 'goods', 'reader', 'shop');
    const signedInMs = performance.now();
    const victims = await Promise.all(Array.from({ length: 10 }, (_, index) => MysqlWire.open(at(old, index % 2))));
    for (const victim of victims) victim.send(victim.queryPayload('select sleep(40)'));
    await sleep(shortSeconds * 1000 + 500 - (performance.now() - signedInMs));
    await carol.login();
    const fresh = await mysqlAddress(carol, 'goods', 'reader', 'shop');
    for (const [index, victim] of victims.entries()) {
      const what = index < 5 ? 'query' : 'connection';
      const killer = await MysqlWire.open(at(fresh, index % 2));
      await killer.query(`kill ${what} ${victim.greeting.connectionId}`);
      killer.close();
      const beganMs = performance.now();
      assertStopped(await victim.answer('result').catch(() => []), what);
      assert.ok(performance.now() - beganMs < 3000, 'stopped');
      victim.close();
    }
    const killed = await waitForAudit(cluster, 'one at another agent', (events) => {
      const hers = events.filter((event) => isKilled(event) && event['user'] === 'carol');
      return hers.length > 0 ? hers : undefined;
    });
    for (const event of killed) assert.equal(event['stopped_by'], 'asking_agent');
    const sleepers = "select count(*) from information_schema.processlist where info = 'select sleep(40)'";
    for (let tries = 0; (await cluster.mysql('goods').run(sleepers)) !== '0\n'; tries++) {
      assert.ok(tries < 30, 'nothing sleeps on in the server');
      await sleep(100);
    }
  });

  async function signIn(name: string): Promise<MysqlAddress> {
    const person = await cluster.addPerson(name, ['--roles=access', '--db-users=reader', '--db-names=*']);
    await person.login();
    return mysqlAddress(person, 'goods', 'reader', 'shop');
  }

  function at(address: MysqlAddress, proxy: number): WireAddress {
    return wireAddress({ ...address, port: cluster.proxies[proxy]?.mysqlPort ?? 0 });
  }

  /** The second proxy is known to the agents from Auth, a moment later than the first. */
  async function bothAgentsServe(): Promise<void> {
    for (let tries = 0; ; tries++) {
      const metrics = await Promise.all(cluster.agents.map((agent) => agent.metrics()));
      if (metrics.every((text) => /^tessera_agent_tunnels 2$/m.test(text))) return;
      assert.ok(tries < 100, 'each agent has a tunnel to each proxy');
      await sleep(100);
    }
  }

  async function interrupted(number: number): Promise<void> {
    const args = [
      ...mysqlArguments(binaries, alice),
      '--batch',
      '-e',
      `select sleep(${sleepSeconds}) as round_${number}`,
    ];
    const beganMs = performance.now();
    const { stdout, stderr } = await runCommand('timeout', [
      '-s',
      'INT',
      '2',
      join(binaries.bin, binaries.client),
      ...args,
    ]);
    const tookMs = performance.now() - beganMs;
    assert.ok(tookMs < interruptedAfterMs, `${tookMs} ms: ${stdout}${stderr}`);
    const marker = `as round_${number}`;
    const asked = await eventOf((event) => event.code === 'TDB02I' && String(event['db_query']).includes(marker));
    const result = await eventOf((event) => event['query_ei'] === asked['ei'] && event['sid'] === asked['sid']);
    assert.ok(Number(result['duration_ms']) < interruptedAfterMs, JSON.stringify(result));
    assert.notEqual(result['outcome'], 'unanswered', JSON.stringify(result));
  }

  /** Kills until the session happened to be at another agent; its event. */
  async function killedElsewhere(
    from: WireAddress,
    to: WireAddress,
    what: 'query' | 'connection',
  ): Promise<LoggedEvent> {
    for (let attempt = 0; attempt < 20; attempt++) {
      const victim = await MysqlWire.open(from);
      const { connectionId } = victim.greeting;
      victim.send(victim.queryPayload(`select sleep(${sleepSeconds})`));
      await sleep(100);
      const beganMs = performance.now();
      const killer = await MysqlWire.open(to);
      assert.equal((await killer.query(`kill ${what} ${connectionId}`))[0]?.payload[0], 0, 'OK');
      const said = await victim.answer('result').catch(() => []);
      assert.ok(performance.now() - beganMs < 3000, 'stopped');
      assertStopped(said, what);
      if (what === 'query') assert.equal(oneValue(await victim.query('select 7')), '7', 'the session goes on');
      else await assert.rejects(victim.query('select 7'));
      victim.close();
      killer.close();
      const asked = await eventOf((event) => isKillOf(event, connectionId));
      if (asked['asked_other_agents'] === true)
        return eventOf((event) => isKilled(event) && event['process_id'] === connectionId && event['kill'] === what);
    }
    assert.fail('twenty times the same agent');
  }

  function eventOf(found: (event: LoggedEvent) => boolean): Promise<LoggedEvent> {
    return waitForAudit(cluster, found.toString(), (events) => events.find(found));
  }

  function elsewhere(): LoggedEvent[] {
    return readAuditLog(cluster).filter((event) => event['asked_other_agents'] === true);
  }
  function here(): LoggedEvent[] {
    return readAuditLog(cluster).filter((event) => event['process_id_in_database'] !== undefined);
  }
}

function isKilled({ code }: LoggedEvent): boolean {
  return code === 'TDB11I';
}

function isKillOf(event: LoggedEvent, connectionId: number): boolean {
  return event.code === 'TDB02I' && event['process_id'] === connectionId;
}

function killsOf(events: readonly LoggedEvent[], user: string): number {
  return events.filter((event) => event['user'] === user && String(event['db_query']).startsWith('kill ')).length;
}

/** A sleep that was stopped says 1, or that it was interrupted; a session that was ended may be gone without a word when the database said it. */
function assertStopped(said: readonly WirePacket[], what: 'query' | 'connection'): void {
  const error = said.find(({ payload }) => payload[0] === 0xff)?.payload;
  if (error !== undefined) assert.ok([1317, 1927, 1053].includes(error.readUInt16LE(1)), error.toString('latin1', 9));
  else if (said.length > 0) assert.equal(oneValue(said), '1');
  else assert.equal(what, 'connection');
}

/** Of a result of one column and one row. */
function oneValue([, , ...behind]: readonly WirePacket[]): string | undefined {
  return behind.find(({ payload }) => payload[0] !== 0xfe)?.payload.toString('utf8', 1);
}
