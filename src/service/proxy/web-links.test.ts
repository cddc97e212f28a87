import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { AuthStandIn, respond, type StandInCall } from '../../../test/kit/auth-stand-in.ts';
import { type Credentials, TestCluster, until } from '../../../test/kit/gateway.ts';
import { UpstreamError } from '../../errors.ts';
import { dialAuth } from '../../rpc/dial.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { silentLog } from '../../telemetry/log.ts';
import { type LinkedCall, WebLinks } from './web-links.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.create();
});

const headers = { ':method': 'POST', ':path': '/x', ':scheme': 'https', ':authority': 'auth' } as const;

class Linked {
  readonly clock = new ManualClock();
  readonly auth: AuthStandIn;
  readonly links: WebLinks;
  identity: Credentials;
  dials = 0;

  constructor(auth: AuthStandIn, identity: Credentials) {
    this.auth = auth;
    this.identity = identity;
    this.links = new WebLinks({ dial: () => this.#dial(), clock: this.clock, log: silentLog });
  }

  static async start(): Promise<Linked> {
    return new Linked(await AuthStandIn.start(cluster), await cluster.service('proxy'));
  }

  async call(): Promise<LinkedCall> {
    return this.links.request(headers, Buffer.from('{}'));
  }

  async close(): Promise<void> {
    this.links.close();
    await this.auth.close();
  }

  async #dial(): Promise<TLSSocket> {
    this.dials += 1;
    const { socket } = await dialAuth({
      addresses: [`127.0.0.1:${this.auth.port}`],
      via: 'direct',
      identity: this.identity,
      trust: { hostAuthorities: [cluster.host.certificatePem] },
      timeoutMs: 1000,
      log: silentLog,
    });
    return socket;
  }
}

test('one connection serves until it is full, then there is another, which goes again', async () => {
  const here = await Linked.start();
  const waiting: StandInCall[] = [];
  here.auth.answer = (call) => void waiting.push(call);
  const calls = await Promise.all(Array.from({ length: 150 }, () => here.call()));
  await until(() => waiting.length === 150);
  assert.deepEqual([here.dials, here.links.count], [2, 2]);
  for (const { stream } of calls) stream.resume();
  for (const call of waiting) respond(call, '{}');
  await until(() => here.links.count === 1);
  await here.close();
});

test('many calls that come at once dial once', async () => {
  const here = await Linked.start();
  const calls = await Promise.all(Array.from({ length: 50 }, () => here.call()));
  for (const { stream } of calls) stream.resume();
  assert.equal(here.dials, 1);
  await here.close();
});

test('after a renewal new calls show the new certificate, and open ones go on', async () => {
  const here = await Linked.start();
  const waiting: StandInCall[] = [];
  here.auth.answer = (call) => void waiting.push(call);
  const old = await here.call();
  await until(() => waiting.length === 1);
  here.identity = await cluster.service('proxy');
  here.links.renew();
  await here.call();
  await until(() => waiting.length === 2);
  assert.notEqual(waiting[0]?.fingerprint, waiting[1]?.fingerprint);
  const response = once(old.stream, 'response');
  for (const call of waiting) respond(call, '{}');
  await response;
  old.stream.resume();
  await until(() => here.auth.sessions.size === 1);
  await here.close();
});

test('an Auth that is told to go is left, one that is lost is dialled again, one that is away is said', async () => {
  const here = await Linked.start();
  const first = await here.call();
  first.stream.resume();
  await once(first.stream, 'close');
  for (const session of here.auth.sessions) session.close();
  await until(() => here.links.count === 0);
  (await here.call()).stream.resume();
  await until(() => here.auth.calls.length === 2);
  for (const session of here.auth.sessions) session.destroy();
  await until(() => here.links.count === 0);
  await here.auth.close();
  const { dials } = here;
  for (let n = 0; n < 20; n += 1)
    await assert.rejects(here.call(), (error) => error instanceof UpstreamError && error.code === 'AUTH_UNREACHABLE');
  assert.equal(here.dials, dials + 1);
  here.clock.advance(500);
  await assert.rejects(here.call(), UpstreamError);
  assert.equal(here.dials, dials + 2);
  here.links.close();
  await assert.rejects(here.call(), UpstreamError);
});

test('an Auth whose certificate is not of this cluster gets no call', async () => {
  const other = await TestCluster.create();
  const auth = await AuthStandIn.start(other);
  const here = new Linked(auth, await cluster.service('proxy'));
  await assert.rejects(here.call(), (error) => {
    assert.ok(error instanceof UpstreamError);
    assert.match(error.message, /not signed by this cluster's host authority/);
    assert.doesNotMatch(error.publicMessage, /127\.0\.0\.1|sign/);
    return true;
  });
  assert.equal(auth.calls.length, 0);
  await here.close();
});

test('cancelled calls are told to Auth no faster than it bears, and all in the end', async () => {
  const here = await Linked.start();
  here.auth.answer = () => undefined;
  let asked = 0;
  for (let round = 0; round < 8; round += 1) {
    const before = here.auth.calls.length;
    const calls = await Promise.all(Array.from({ length: 50 }, () => here.call()));
    asked += calls.length;
    await until(() => here.auth.calls.length === before + 50);
    for (const call of calls) call.cancel();
    await until(() => here.auth.cancelled >= Math.min(asked, 300));
  }
  assert.equal(here.auth.cancelled, 300);
  here.clock.advance(1000);
  await until(() => here.auth.cancelled === 320);
  here.clock.advance(1000);
  here.clock.advance(1000);
  here.clock.advance(1000);
  here.clock.advance(1000);
  await until(() => here.auth.cancelled === 400);
  assert.equal(here.auth.sessions.size >= 1, true);
  await here.close();
});

test('an Auth that is silent is left after two rounds of pings', async () => {
  const here = await Linked.start();
  (await here.call()).stream.resume();
  await until(() => here.links.count === 1);
  here.clock.advance(15_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(here.links.count, 1);
  here.clock.advance(15_000);
  // The second ping is out and its answer not yet read.
  here.clock.advance(15_000);
  await until(() => here.links.count === 0);
  await here.close();
});
