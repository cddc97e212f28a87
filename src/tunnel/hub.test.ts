import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { test } from 'node:test';
import { settle } from '../../test/kit/tunnel-pair.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import type { CancelMessage } from './cancel.ts';
import { Dialer, type IncomingSession } from './dialer.ts';
import { type AgentEvent, Hub } from './hub.ts';
import type { KillAnswer, KillMessage } from './kill.ts';
import type { ProxyLinkStatus } from './proxy-link.ts';
import { StreamResetError } from './reset.ts';
import { type Announcement, STREAM_PURPOSE } from './tunnel.ts';

type Server = Announcement['databases'][number]['server'];
type Health = 'healthy' | 'unhealthy' | 'unknown';

class World {
  readonly clock = new ManualClock();
  readonly events: AgentEvent[] = [];
  readonly faults: unknown[] = [];
  readonly killed: { readonly message: KillMessage; readonly from: string }[] = [];
  lot = 0;
  readonly hubs = new Map<string, Hub>();
  readonly sockets: Duplex[] = [];
  down = false;

  hub(address: string): Hub {
    const hub = new Hub({
      clock: this.clock,
      random: () => this.lot,
      onAgent: (event) => this.events.push(event),
      onKill: (message, { hostId }) => {
        this.killed.push({ message, from: hostId });
        return hub.kill('a', message, hostId);
      },
      onFault: (fault) => this.faults.push(fault),
    });
    this.hubs.set(address, hub);
    return hub;
  }

  agent(hostId: string, databases: Record<string, Health>, cancelTag = 1): Agent {
    return new Agent(this, hostId, databases, cancelTag);
  }
}

class Agent {
  readonly sessions: IncomingSession[] = [];
  readonly cancels: CancelMessage[] = [];
  readonly kills: { readonly message: KillMessage; readonly proxy: string }[] = [];
  killAnswer: KillAnswer | undefined;
  readonly links: ProxyLinkStatus[] = [];
  readonly dialer: Dialer;
  databases: Record<string, Health>;
  /** What is known of the servers of MySQL among them. */
  servers: Record<string, Server> = {};
  dials = 0;

  constructor(world: World, hostId: string, databases: Record<string, Health>, cancelTag: number) {
    this.databases = databases;
    this.dialer = new Dialer({
      connect: async (address) => {
        this.dials += 1;
        const hub = world.hubs.get(address);
        if (world.down || hub === undefined) throw new Error('refused');
        const [near, far] = duplexPair();
        world.sockets.push(near);
        hub.add(far, { hostId, hostName: `${hostId}.test`, address: '127.0.0.1' });
        return near;
      },
      announcement: (): Announcement => ({
        databases: Object.entries(this.databases).map(([name, health]) => {
          if (!Object.hasOwn(this.servers, name)) return { name, protocol: 'postgres', health };
          const server = this.servers[name];
          return { name, protocol: 'mysql', health, ...(server === undefined ? {} : { server }) };
        }),
        cancelTag,
        draining: false,
      }),
      onSession: (session) => this.sessions.push(session),
      onCancel: (message) => this.cancels.push(message),
      onKill: (message, proxy) => {
        this.kills.push({ message, proxy });
        return this.killAnswer;
      },
      onLink: (status) => this.links.push(status),
      clock: world.clock,
      random: () => 0.5,
      onFault: (fault) => world.faults.push(fault),
    });
  }
}

function ids(hub: Hub, database: string): string[] {
  return hub.route(database).map(({ agent }) => agent.hostId);
}

test('a database is known for a while after its last agent left, so that pools try again', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const agent = world.agent('only', { a: 'healthy' });
  agent.dialer.setProxies(['p:1']);
  await settle();
  agent.dialer.close();
  await settle();
  assert.deepEqual(ids(hub, 'a'), []);
  assert.equal(hub.knows('a'), true);
  assert.equal(hub.knows('b'), false);
  world.clock.advance(3_600_000);
  assert.equal(hub.knows('a'), false);
});

test('routes to agents by health, drains last, forgets the closed', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const agents = [
    world.agent('ill', { a: 'unhealthy' }),
    world.agent('new', { a: 'unknown' }),
    world.agent('well', { a: 'healthy', b: 'healthy' }),
  ];
  for (const agent of agents) agent.dialer.setProxies(['p:1']);
  assert.deepEqual(ids(hub, 'a'), []);
  await settle();
  assert.deepEqual(ids(hub, 'a'), ['well', 'new', 'ill']);
  assert.deepEqual(ids(hub, 'b'), ['well']);
  assert.deepEqual(ids(hub, 'c'), []);
  assert.equal(hub.knows('c'), false);
  agents[2]!.dialer.drain();
  await settle();
  assert.deepEqual(ids(hub, 'a'), ['new', 'ill']);
  assert.equal(hub.knows('b'), true);
  agents[1]!.dialer.close();
  await settle();
  assert.deepEqual(ids(hub, 'a'), ['ill']);
  await hub.close();
});

test('what the servers of a protocol can do: of every agent that is here, each picture once', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const [old, young] = [
    { serverVersion: '5.7.44', capabilities: '0'.repeat(16) },
    { serverVersion: '9.7.0', capabilities: 'f'.repeat(16) },
  ];
  const one = world.agent('one', { a: 'healthy', b: 'unhealthy', c: 'unknown', pg: 'healthy' });
  one.servers = { a: young, b: young, c: undefined };
  const two = world.agent('two', { a: 'healthy' });
  two.servers = { a: old };
  assert.deepEqual(hub.servers('mysql'), []);
  for (const agent of [one, two]) agent.dialer.setProxies(['p:1']);
  await settle();
  assert.deepEqual([...hub.servers('mysql')].sort(byVersion), [old, young]);
  assert.equal(hub.servers('mysql'), hub.servers('mysql'), 'computed once');
  assert.deepEqual(hub.servers('postgres'), []);
  two.servers = { a: young };
  two.dialer.announce();
  world.clock.advance(100);
  await settle();
  assert.deepEqual(hub.servers('mysql'), [young]);
  one.dialer.close();
  two.dialer.close();
  await settle();
  assert.deepEqual(hub.servers('mysql'), []);
  await hub.close();
});

function byVersion(a: Server, b: Server): number {
  return (a?.serverVersion ?? '') < (b?.serverVersion ?? '') ? -1 : 1;
}

test('agents of one class are drawn by lot', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  for (const id of ['x', 'y']) world.agent(id, { a: 'healthy' }).dialer.setProxies(['p:1']);
  await settle();
  const lots = [0.9, 0.1, 0.1, 0.9];
  Object.defineProperty(world, 'lot', { get: () => lots.shift() });
  assert.deepEqual(ids(hub, 'a'), ['y', 'x']);
  assert.deepEqual(ids(hub, 'a'), ['x', 'y']);
  await hub.close();
});

test('a session reaches the agent with its opening, and a refusal comes back with its reason', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const agent = world.agent('x', { a: 'healthy' });
  agent.dialer.setProxies(['p:1']);
  await settle();
  const connection = hub.route('a')[0]!;
  const taken = connection.open(STREAM_PURPOSE.session, Buffer.from('opening'));
  const refused = connection.open(STREAM_PURPOSE.session, Buffer.from('other'));
  const strange = connection.open(0x77, Buffer.from('other'));
  await settle();
  assert.equal(agent.sessions[0]!.opening.toString(), 'opening');
  assert.equal(agent.sessions[0]!.proxyAddress, 'p:1');
  agent.sessions[0]!.accept();
  agent.sessions[1]!.reject('retry-elsewhere', 'full');
  await taken.accepted;
  await assert.rejects(
    refused.accepted,
    (error) => error instanceof StreamResetError && error.reason === 'retry-elsewhere',
  );
  await assert.rejects(
    strange.accepted,
    (error) => error instanceof StreamResetError && error.reason === 'protocol-error',
  );
  await hub.close();
});

test('a change is announced once for many calls', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const agent = world.agent('x', { a: 'healthy' });
  agent.dialer.setProxies(['p:1']);
  await settle();
  agent.databases = { a: 'unhealthy', z: 'healthy' };
  for (let n = 0; n < 5; n += 1) agent.dialer.announce();
  await settle();
  assert.deepEqual(ids(hub, 'z'), []);
  world.clock.advance(100);
  await settle();
  assert.deepEqual(ids(hub, 'z'), ['x']);
  assert.equal(world.events.filter(({ type }) => type === 'announced').length, 2);
  await hub.close();
});

test('the newest tunnel of an agent wins; the old one ends after its last session', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const first = world.agent('same', { a: 'healthy' });
  first.dialer.setProxies(['p:1']);
  await settle();
  const session = hub.route('a')[0]!.open(STREAM_PURPOSE.session, Buffer.from('s'));
  await settle();
  const live = first.sessions[0]!.accept();
  let closed = 0;
  session.receive({
    data: (chunk) => session.consumed(chunk.length),
    end: () => session.end(),
    close: () => (closed += 1),
  });
  const second = world.agent('same', { a: 'healthy' });
  second.dialer.setProxies(['p:1']);
  await settle();
  assert.equal(hub.route('a').length, 1);
  hub.route('a')[0]!.open(STREAM_PURPOSE.session, Buffer.from('t'));
  await settle();
  assert.equal(second.sessions.length, 1);
  assert.equal(first.dialer.status()[0]?.state, 'draining');
  world.clock.advance(5000);
  assert.equal(closed, 0);
  assert.equal(hub.cancelTargets(1).length, 2, 'a replaced tunnel still gets cancel requests');
  live.end();
  await settle();
  assert.equal(closed, 1);
  world.clock.advance(1000);
  await settle();
  assert.equal(hub.cancelTargets(1).length, 1);
  await hub.close();
  first.dialer.close();
});

test('cancel requests go to the agents of the tag', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const x = world.agent('x', {}, 5);
  const y = world.agent('y', {}, 6);
  for (const agent of [x, y]) agent.dialer.setProxies(['p:1']);
  await settle();
  hub.cancel(5, { protocol: 'postgres', packet: Buffer.from([1, 2, 3]) });
  await settle();
  assert.deepEqual(x.cancels, [{ protocol: 'postgres', packet: Buffer.from([1, 2, 3]) }]);
  assert.deepEqual(y.cancels, []);
  assert.equal(hub.counters.streams, 2, 'only the announcements are left');
  await hub.close();
});

test('a KILL goes through every proxy to the other agents of the database, draining ones too', async () => {
  const world = new World();
  const hubs = ['p:1', 'p:2'].map((address) => world.hub(address));
  const agents = new Map(
    ['x', 'y', 'z', 'other'].map((id) => [id, world.agent(id, { [id === 'other' ? 'b' : 'a']: 'healthy' })]),
  );
  for (const agent of agents.values()) agent.dialer.setProxies(['p:1', 'p:2']);
  await settle();
  agents.get('z')?.dialer.drain();
  await settle();
  const message: KillMessage = { what: 'query', shownId: 2 ** 30, number: 1, opening: Buffer.from('o') };
  const y = agents.get('y');
  assert.ok(y !== undefined);
  y.killAnswer = { type: 'yours', connectionId: 0xffff_ffff };
  const answer = await agents.get('x')?.dialer.kill(message);
  await settle();
  assert.deepEqual(answer, { type: 'yours', connectionId: 0xffff_ffff });
  assert.deepEqual(world.killed, Array(2).fill({ message, from: 'x' }));
  const heard = [...agents].map(([id, { kills }]) => [id, kills.map(({ proxy }) => proxy).sort()]);
  const both = ['p:1', 'p:2'];
  assert.deepEqual(heard, [['x', []], ['y', both], ['z', both], ['other', []]]); // prettier-ignore
  assert.deepEqual(agents.get('y')?.kills[0]?.message, message);
  assert.deepEqual(world.faults, []);
  for (const hub of hubs) assert.equal(hub.counters.streams, 4, 'only the announcements are left');
  world.down = true;
  for (const hub of hubs) await hub.close();
  assert.equal(await agents.get('x')?.dialer.kill(message), undefined);
  for (const { dialer } of agents.values()) dialer.close();
});

test('reconnects with growing jittered waits, and begins small again after a good connection', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  world.down = true;
  const agent = world.agent('x', { a: 'healthy' });
  agent.dialer.setProxies(['p:1']);
  await settle();
  const waits: number[] = [];
  for (let n = 0; n < 9; n += 1) {
    const before = agent.dials;
    let waited = 0;
    while (agent.dials === before) {
      world.clock.advance(50);
      waited += 50;
      await settle(1);
    }
    waits.push(waited);
    await settle(2);
  }
  // Three quarters (random 0.5) of 200, 400, ... up to 15 s.
  assert.deepEqual(waits, [150, 300, 600, 1200, 2400, 4800, 9600, 11_250, 11_250]);
  world.down = false;
  world.clock.advance(11_250);
  await settle();
  assert.deepEqual(ids(hub, 'a'), ['x']);
  world.clock.advance(10_000);
  world.sockets.at(-1)!.destroy();
  await settle();
  assert.equal(agent.dialer.status()[0]?.state, 'waiting');
  world.clock.advance(150);
  await settle();
  assert.equal(agent.dialer.connectedCount, 1);
  agent.dialer.close();
  await settle();
  assert.equal(world.clock.pendingTimers, 0);
  assert.deepEqual(hub.agents(), []);
});

test('keeps a tunnel to every proxy of the list, and drops one that left after its last session', async () => {
  const world = new World();
  const one = world.hub('p:1');
  const two = world.hub('p:2');
  const agent = world.agent('x', { a: 'healthy' });
  agent.dialer.setProxies(['p:1', 'p:2', 'p:1']);
  await settle();
  assert.equal(agent.dials, 2);
  const session = one.route('a')[0]!.open(STREAM_PURPOSE.session, Buffer.from('s'));
  await settle();
  agent.sessions[0]!.accept();
  agent.dialer.setProxies(['p:2']);
  await settle();
  assert.deepEqual(ids(one, 'a'), []);
  assert.equal(one.agents().length, 1);
  session.destroy();
  await settle();
  world.clock.advance(1000);
  await settle();
  assert.equal(one.agents().length, 0);
  assert.deepEqual(ids(two, 'a'), ['x']);
  await two.close();
  agent.dialer.close();
});

test('a draining proxy tells its agents and takes no new ones', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const agent = world.agent('x', { a: 'healthy' });
  agent.dialer.setProxies(['p:1']);
  await settle();
  hub.drain();
  await settle();
  assert.equal(agent.dialer.status()[0]?.state, 'draining');
  const late = world.agent('y', { a: 'healthy' });
  late.dialer.setProxies(['p:1']);
  await settle();
  assert.equal(late.dialer.status()[0]?.state, 'waiting');
  assert.deepEqual(world.events.filter(({ type }) => type === 'refused').length, 1);
  await hub.close();
  agent.dialer.close();
  late.dialer.close();
});

test('an agent that tells nonsense loses its tunnel', async () => {
  const world = new World();
  const hub = world.hub('p:1');
  const agent = world.agent('x', { '': 'healthy' });
  agent.dialer.setProxies(['p:1']);
  await settle();
  assert.equal(agent.dialer.status()[0]?.state, 'waiting');
  assert.equal(hub.agents().length, 0);
  agent.dialer.close();
});
