// New limits count for connections that come after a reload, behind every door.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { dialRaw, readAll, secure, TestCluster, TestGateway, until } from '../../../test/kit/gateway.ts';
import type { ProxyLimits } from '../../config/schema.ts';

let cluster: TestCluster;
let here: TestGateway;
let auth: net.Server;
let joined = 0;
before(async () => {
  cluster = await TestCluster.create();
  auth = net.createServer((socket) => {
    joined += 1;
    socket.on('error', () => undefined).resume();
  });
  auth.listen(0, '127.0.0.1');
  await once(auth, 'listening');
  const address = auth.address();
  assert.ok(typeof address === 'object' && address !== null);
  here = await TestGateway.start(cluster, {
    authPort: address.port,
    limits: { handshakeTimeoutMs: 300, authJoinsPerMinute: 1 },
  });
});
after(async () => {
  await here.close();
  auth.close();
});

function reload(limits: Partial<ProxyLimits>): void {
  here.gateway.use({ ...here.config, limits: { ...here.config.limits, ...limits } }, []);
}

test('a client of HTTPS that says nothing after TLS, or half a request, is closed', async () => {
  for (const said of ['', 'GET /webapi/ping HTTP/1.1\r\n']) {
    const socket = await secure(await dialRaw(here.port), { ALPNProtocols: ['http/1.1'] });
    const beginMs = performance.now();
    const closed = readAll(socket);
    if (said !== '') socket.write(said);
    await closed;
    assert.ok(performance.now() - beginMs < 3000, JSON.stringify(said));
  }
});

test('connections of one address with Auth: the rate of the moment', async () => {
  const join = async (): Promise<net.Socket> => {
    const socket = await dialRaw(here.port);
    socket.on('error', () => undefined);
    // Only its ClientHello matters: nobody answers it here.
    tls.connect({ socket, ALPNProtocols: ['tessera-auth'], rejectUnauthorized: false }).on('error', () => undefined);
    return socket;
  };
  const first = await join();
  await until(() => joined === 1);
  const second = await join();
  await once(second, 'close');
  assert.equal(joined, 1);
  reload({ authJoinsPerMinute: 100 });
  const third = await join();
  await until(() => joined === 2);
  for (const socket of [first, third]) socket.destroy();
});

for (const alpn of ['http/1.1', 'postgresql', 'tessera-tunnel']) {
  test(`a longer handshake_timeout counts behind the door for ${alpn}`, async () => {
    reload({ handshakeTimeoutMs: 300 });
    await assert.rejects(slowHandshake(alpn));
    reload({ handshakeTimeoutMs: 10_000 });
    await slowHandshake(alpn);
  });
}

/** A client that waits twice the short time between its ClientHello and the rest. */
async function slowHandshake(alpn: string): Promise<void> {
  let wait: NodeJS.Timeout | undefined;
  const relay = net.createServer((from) => {
    const to = net.connect(here.port, '127.0.0.1');
    let pieces = 0;
    from.on('data', (chunk: Buffer) => {
      pieces += 1;
      if (pieces === 1) {
        to.write(chunk);
        from.pause();
        wait = setTimeout(() => from.resume(), 600);
      } else to.write(chunk);
    });
    to.on('data', (chunk: Buffer) => void (pieces >= 1 && setTimeout(() => from.write(chunk), 600)));
    to.on('error', () => undefined).on('close', () => from.destroy());
    from.on('error', () => undefined).on('close', () => to.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const address = relay.address();
  assert.ok(typeof address === 'object' && address !== null);
  try {
    const socket = await dialRaw(address.port);
    const { certificate, privateKey } = await cluster.service('database');
    const secured = await secure(socket, { ALPNProtocols: [alpn], cert: certificate, key: privateKey });
    secured.destroy();
  } finally {
    clearTimeout(wait);
    relay.close();
  }
}
