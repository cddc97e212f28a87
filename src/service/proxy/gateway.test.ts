import assert from 'node:assert/strict';
import { randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { before, test } from 'node:test';
import tls from 'node:tls';
import {
  clusterName,
  type Credentials,
  dialPostgres,
  dialRaw,
  errorFields,
  readAll,
  secure,
  startup,
  TestCluster,
  TestGateway,
  until,
} from '../../../test/kit/gateway.ts';
import { splitProxyHeader } from '../auth/proxy-header.ts';
import { verifyOpening } from '../../pki/opening.ts';
import { verifyClientAddress } from '../../pki/signed-address.ts';
import { TrustedAuthorities } from '../../pki/trust.ts';
import type { Lock } from '../../resource/resource.ts';
import type { IncomingSession } from '../../tunnel/dialer.ts';
import type { TunnelStream } from '../../tunnel/tunnel.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.create();
});

/** Says `name: ` and then everything back. */
function echo(name: string, streams: TunnelStream[] = []): (session: IncomingSession) => void {
  return (session) => {
    const stream = session.accept();
    streams.push(stream);
    let first = true;
    stream.receive({
      data(chunk) {
        if (first) stream.write(Buffer.from(`${name}: `));
        first = false;
        stream.write(Buffer.from(chunk));
        stream.consumed(chunk.length);
      },
      end: () => stream.end(),
      close: () => undefined,
    });
  };
}

async function firstBytes(socket: tls.TLSSocket, count: number): Promise<string> {
  let text = '';
  while (text.length < count && !socket.destroyed) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
  }
  return text;
}

async function refusal(
  port: number,
  who: Credentials | undefined,
  alpn?: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const socket = await dialPostgres(port, who, alpn);
  const answer = readAll(socket);
  socket.write(startup());
  return errorFields(await answer);
}

test('certificates: who is refused, and in which words', async (t) => {
  const here = await TestGateway.start(cluster, { knownDatabases: ['known'] });
  const opened: string[] = [];
  await here.agent(() => opened.push('session'));
  const now = Date.now();
  const rows: readonly [name: string, who: Credentials | undefined, code: string, message: RegExp][] = [
    ['none', undefined, '28000', /client certificate is required/],
    ['expired', await cluster.person({}, { atMs: now - 3_600_000, ttlMs: 60_000 }), '28000', /has expired/],
    ['not yet valid', await cluster.person({}, { atMs: now + 3_600_000 }), '28000', /not valid yet/],
    ['of a foreign authority', await cluster.person({}, { authority: cluster.foreign }), '28000', /certificate: /],
    ["a service's", await cluster.service('database'), '28000', /certificate: /],
    [
      'without a route',
      await cluster.issue(cluster.user, { ...(await identityOnly()) }),
      '28000',
      /not for a database/,
    ],
    [
      'for another protocol',
      await cluster.person({ route: { service: 'orders', protocol: 'mysql' } }),
      '28000',
      /mysql/,
    ],
    ['pinned elsewhere', await cluster.person({ pinnedAddress: '203.0.113.9' }), '28000', /other address/],
    [
      'for a database that is not there',
      await cluster.person({ route: { service: 'nothing', protocol: 'postgres' } }),
      '3D000',
      /no database "nothing"/,
    ],
    [
      'for a database without agent',
      await cluster.person({ route: { service: 'known', protocol: 'postgres' } }),
      '57P03',
      /serves "known"/,
    ],
  ];
  for (const [name, who, code, message] of rows) {
    await t.test(name, async () => {
      for (const alpn of [['postgresql'], []]) {
        const fields = await refusal(here.port, who, alpn);
        assert.equal(fields['C'], code);
        assert.match(fields['M'] ?? '', message);
      }
    });
  }
  await t.test('locked', async () => {
    here.locks.push({
      kind: 'lock',
      version: 'v2',
      metadata: { name: 'l' },
      spec: { target: { user: 'alice' }, message: 'stolen laptop' },
    } satisfies Lock);
    const fields = await refusal(here.port, await cluster.person());
    assert.equal(fields['C'], '57P01');
    assert.match(fields['M'] ?? '', /stolen laptop/);
  });
  assert.deepEqual(opened, []);
  await here.close();
});

async function identityOnly() {
  const { userProfile } = await import('../../pki/profiles.ts');
  return userProfile({ kind: 'user', user: 'alice', userKind: 'local', roles: [], traits: {} });
}

test('a session reaches the agent with an opening that verifies, direct TLS too, and bytes flow both ways', async () => {
  const here = await TestGateway.start(cluster);
  const openings: Buffer[] = [];
  const answer = echo('a');
  const agent = await here.agent((session) => {
    openings.push(session.opening);
    answer(session);
  });
  const person = await cluster.person();
  const direct = await secure(await dialRaw(here.port), {
    ALPNProtocols: ['postgresql'],
    cert: person.certificate,
    key: person.privateKey,
  });
  for (const socket of [await dialPostgres(here.port, person), direct]) {
    socket.write(startup());
    assert.equal(await firstBytes(socket, startup().length + 3), `a: ${startup().toString('latin1')}`);
    const big = Buffer.alloc(3_000_000, 0x42);
    let got = 0;
    socket.on('data', (chunk: Buffer) => (got += chunk.length));
    socket.write(big);
    await until(() => got === big.length);
    socket.end();
    await once(socket, 'close');
  }
  const verified = verifyOpening(openings[0]!, {
    hostAuthorities: new TrustedAuthorities('host', clusterName, [cluster.host.certificatePem]),
    userAuthorities: new TrustedAuthorities('user', clusterName, [cluster.user.certificatePem]),
    nowMs: Date.now(),
    agentHostId: agent.hostId,
  });
  assert.equal(verified.client.identity.user, 'alice');
  assert.match(verified.opening.clientAddress, /^127\.0\.0\.1:\d+$/);
  await until(() => here.gateway.sessions.count === 0);
  assert.equal(here.instruments.proxyActiveConnections.value, 0);
  // The tunnel is left.
  await until(() => here.gateway.connectionCount === 1);
  await here.close();
});

test('the next agent is tried, with what the client had sent, when one can not take the session', async () => {
  const here = await TestGateway.start(cluster, { limits: { agentAcceptTimeoutMs: 200 } });
  const streams: TunnelStream[] = [];
  const tried: string[] = [];
  await here.agent((session) => (tried.push('full'), session.reject('retry-elsewhere', 'full')));
  await here.agent(() => tried.push('silent'));
  const lost = await here.agent(() => (tried.push('lost'), lost.dialer.close()));
  await here.agent(echo('last', streams), { health: 'unhealthy' });
  const socket = await dialPostgres(here.port, await cluster.person());
  socket.write(startup());
  assert.equal(await firstBytes(socket, startup().length + 6), `last: ${startup().toString('latin1')}`);
  assert.deepEqual([...tried].sort(), ['full', 'lost', 'silent']);
  socket.destroy();
  await until(() => here.gateway.sessions.count === 0);
  await here.close();
});

test('an agent that refuses the session ends the search; when nobody takes it the client is told', async () => {
  const here = await TestGateway.start(cluster);
  let asked = 0;
  const refuse = (session: IncomingSession): void => {
    asked += 1;
    session.reject('refused', 'inner words');
  };
  await here.agent(refuse);
  await here.agent(refuse);
  const fields = await refusal(here.port, await cluster.person());
  assert.equal(fields['C'], 'XX000');
  assert.doesNotMatch(JSON.stringify(fields), /inner words/);
  assert.equal(asked, 1);
  await here.close();
  const full = await TestGateway.start(cluster);
  await full.agent((session) => session.reject('limit', ''));
  assert.equal((await refusal(full.port, await cluster.person()))['C'], '57P03');
  await full.close();
});

test('the death of an agent ends its sessions, and new ones go to the other', async () => {
  const here = await TestGateway.start(cluster);
  const first = await here.agent(echo('one'));
  const person = await cluster.person();
  const socket = await dialPostgres(here.port, person);
  socket.write(startup());
  await firstBytes(socket, 10);
  await here.agent(echo('two'));
  first.dialer.close();
  await once(socket, 'close');
  const second = await dialPostgres(here.port, person);
  second.write(startup());
  assert.match(await firstBytes(second, 5), /^two: /);
  second.destroy();
  await here.close();
});

test('a lock cuts a session that its agent does not end', async () => {
  const here = await TestGateway.start(cluster);
  await here.agent(echo('a'));
  const socket = await dialPostgres(here.port, await cluster.person());
  socket.write(startup());
  await firstBytes(socket, 10);
  here.locks.push({ kind: 'lock', version: 'v2', metadata: { name: 'l' }, spec: { target: { db_service: 'other' } } });
  here.gateway.checkLocks();
  assert.equal(here.gateway.sessions.count, 1);
  here.locks.push({ kind: 'lock', version: 'v2', metadata: { name: 'm' }, spec: { target: { role: 'dev' } } });
  here.gateway.checkLocks();
  await once(socket, 'close');
  await here.close();
});

test('a lock on one session cuts that one alone', async () => {
  const here = await TestGateway.start(cluster);
  const openings: Buffer[] = [];
  await here.agent((incoming) => {
    openings.push(incoming.opening);
    echo('a')(incoming);
  });
  const person = await cluster.person();
  const sockets = [];
  for (const _each of [1, 2]) {
    const socket = await dialPostgres(here.port, person);
    socket.write(startup());
    await firstBytes(socket, 10);
    sockets.push(socket);
  }
  const [sid = ''] = openings.map((bytes) => /"sid":"([^"]+)"/.exec(bytes.toString('latin1'))?.[1]); // prettier-ignore
  const [first, second] = sockets;
  assert.ok(first !== undefined && second !== undefined);
  here.locks.push({ kind: 'lock', version: 'v2', metadata: { name: 'l' }, spec: { target: { session_id: sid } } });
  here.gateway.checkLocks();
  await once(first, 'close');
  await until(() => here.gateway.sessions.count === 1);
  second.write('still');
  await firstBytes(second, 5);
  second.destroy();
  await here.close();
});

test('draining: live sessions go on, new clients are refused in words, agents are told', async () => {
  const here = await TestGateway.start(cluster);
  const agent = await here.agent(echo('a'));
  const person = await cluster.person();
  const socket = await dialPostgres(here.port, person);
  socket.write(startup());
  await firstBytes(socket, 10);
  const drained = here.gateway.drain(60_000);
  assert.equal((await refusal(here.port, person))['C'], '57P01');
  await until(() => agent.dialer.status()[0]?.state === 'draining');
  socket.write('still');
  await firstBytes(socket, 5);
  socket.end();
  await drained;
  await here.close();
});

test('cancel requests in clear reach the agents of the tag, whole, and are limited', async () => {
  const here = await TestGateway.start(cluster, { limits: { cancelRatePerMinute: 3 } });
  const yes = await here.agent(echo('a'), { cancelTag: 0xabc });
  const no = await here.agent(echo('b'), { cancelTag: 0xabd });
  const packet = Buffer.alloc(16);
  packet.writeUInt32BE(16, 0);
  packet.writeUInt32BE(80_877_102, 4);
  packet.writeInt32BE((0xabc << 19) | 5, 8);
  packet.writeUInt32BE(0xdead_beef, 12);
  for (let n = 0; n < 5; n += 1) {
    const socket = await dialRaw(here.port);
    const answer = readAll(socket);
    socket.write(packet.subarray(0, 9));
    socket.write(packet.subarray(9));
    assert.equal((await answer).length, 0);
  }
  const over = await dialPostgres(here.port, undefined);
  over.write(packet);
  await once(over, 'close');
  await until(() => yes.cancels.length === 3);
  assert.deepEqual(yes.cancels[0], { protocol: 'postgres', packet });
  assert.deepEqual(no.cancels, []);
  assert.equal(here.instruments.rateLimited.of({ listener: 'cancel' }).value, 3);
  await here.close();
});

test('a cancel request over TLS with a certificate goes to the agent of its key, not of its route', async () => {
  const here = await TestGateway.start(cluster);
  const route = await here.agent(echo('route'), { cancelTag: 1 });
  const key = await here.agent(echo('key'), { cancelTag: 2, databases: ['other'] });
  const packet = Buffer.alloc(16);
  packet.writeUInt32BE(16, 0);
  packet.writeUInt32BE(80_877_102, 4);
  packet.writeInt32BE(2 << 19, 8);
  const socket = await dialPostgres(here.port, await cluster.person());
  socket.write(packet);
  await once(socket, 'close');
  await until(() => key.cancels.length === 1);
  assert.equal(route.cancels.length, 0);
  await here.close();
});

test('tunnels: only a database host certificate of the cluster gets in', async () => {
  const here = await TestGateway.start(cluster);
  const ca = cluster.host.certificatePem;
  const rows: readonly [string, Credentials | undefined][] = [
    ['none', undefined],
    ["a person's", await cluster.person()],
    ["a proxy's", await cluster.service('proxy')],
    [
      'an expired one',
      await cluster.service('database', randomUUID(), { atMs: Date.now() - 3_600_000, ttlMs: 60_000 }),
    ],
  ];
  for (const [name, who] of rows) {
    const socket = await secure(await dialRaw(here.port), {
      ca,
      ALPNProtocols: ['tessera-tunnel'],
      ...(who === undefined ? {} : { cert: who.certificate, key: who.privateKey }),
    });
    socket.resume();
    await once(socket, 'close');
    assert.equal(here.gateway.hub.agents().length, 0, name);
  }
  const hostId = randomUUID();
  here.locks.push({ kind: 'lock', version: 'v2', metadata: { name: 'l' }, spec: { target: { server_id: hostId } } });
  const locked = await cluster.service('database', hostId);
  const socket = await secure(await dialRaw(here.port), {
    ca,
    ALPNProtocols: ['tessera-tunnel'],
    cert: locked.certificate,
    key: locked.privateKey,
  });
  socket.resume();
  await once(socket, 'close');
  assert.equal(here.gateway.hub.agents().length, 0);
  await here.close();
});

test('tessera-auth is joined with Auth unseen, with the signed address of the caller first', async () => {
  const received: Buffer[] = [];
  const credentials = await cluster.service('auth');
  const inner = tls.createServer(
    { cert: credentials.certificate, key: credentials.privateKey, ALPNProtocols: ['tessera-auth'] },
    (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    },
  );
  const auth = net.createServer((socket) => {
    socket.on('error', () => undefined);
    const collect = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      const split = splitProxyHeader(chunk);
      assert.notEqual(split, 'more');
      if (split === 'more') return;
      socket.removeListener('readable', collect);
      received.push(split.signedAddress!);
      if (split.rest.length > 0) socket.unshift(split.rest);
      inner.emit('connection', socket);
    };
    socket.on('readable', collect);
  });
  auth.listen(0, '127.0.0.1');
  await once(auth, 'listening');
  const address = auth.address();
  assert.ok(typeof address === 'object' && address !== null);
  const here = await TestGateway.start(cluster, { authPort: address.port });
  const raw = await dialRaw(here.port);
  const from = `127.0.0.1:${raw.localPort}`;
  const socket = await secure(raw, { ALPNProtocols: ['tessera-auth'] });
  assert.equal(
    new X509Certificate(socket.getPeerX509Certificate()!.raw).subject,
    new X509Certificate(credentials.certificate).subject,
  );
  const big = Buffer.alloc(2_000_000, 7);
  let got = 0;
  socket.on('data', (chunk: Buffer) => (got += chunk.length));
  socket.write(big);
  await until(() => got === big.length);
  const hostAuthorities = new TrustedAuthorities('host', clusterName, [cluster.host.certificatePem]);
  assert.equal(verifyClientAddress(received[0]!, { hostAuthorities, nowMs: Date.now() }).client.address, from);
  socket.destroy();
  await here.close();
  auth.close();
  inner.close();
});

test('a renewed host certificate is shown and signed with, without ending a session', async () => {
  const here = await TestGateway.start(cluster);
  await here.agent(echo('a'));
  const person = await cluster.person();
  const socket = await dialPostgres(here.port, person);
  socket.write(startup());
  await firstBytes(socket, 10);
  const next = await cluster.service('proxy');
  here.gateway.renew(next);
  const second = await dialPostgres(here.port, person);
  assert.ok(second.getPeerX509Certificate()!.raw.equals(new X509Certificate(next.certificate).raw));
  socket.write('on');
  await firstBytes(socket, 2);
  socket.destroy();
  second.destroy();
  await here.close();
});
