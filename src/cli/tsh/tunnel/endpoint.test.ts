import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { createAuthority } from '../../../pki/authority.ts';
import { issueCertificate } from '../../../pki/issue.ts';
import { generateKeyPair } from '../../../pki/keys.ts';
import { databaseServerProfile } from '../../../pki/profiles.ts';
import { systemClock } from '../../../telemetry/clock.ts';
import { ENDPOINT_LIMITS, openEndpoint } from './endpoint.ts';
import { LOCAL_PROTOCOLS } from './opening.ts';

test('an endpoint that is ended while it dials leaves no connection behind, which would hold the program', async () => {
  await using far = await farSide();
  const dialling = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const protocol = LOCAL_PROTOCOLS.get('mysql');
  assert.ok(protocol);
  const endpoint = await openEndpoint({
    listen: { host: '127.0.0.1', port: 0 },
    protocol,
    dial: async () => {
      dialling.resolve();
      await goOn.promise;
      return far.dial();
    },
    watcher: { opened() {}, closed: () => closed.resolve(), refused() {} },
    limits: ENDPOINT_LIMITS,
    clock: systemClock,
  });
  const client = connect({ host: '127.0.0.1', port: endpoint.port ?? 0 }).on('error', () => {});
  await dialling.promise;
  endpoint.destroy();
  const arrived = once(far.server, 'connection') as Promise<[Socket]>;
  goOn.resolve();
  const [upstream] = await arrived;
  upstream.on('error', () => {});
  await once(upstream, 'close', { signal: AbortSignal.timeout(5000) });
  await closed.promise;
  assert.equal(endpoint.totals().open, 0);
  client.destroy();
});

/** A server that says nothing and ends nothing. */
async function farSide() {
  const authority = await createAuthority('db', 'test', () => Date.now());
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const profile = databaseServerProfile(['localhost']);
  const { pem } = await issueCertificate(authority, profile, { publicKeyDer, ttlMs: 3_600_000, nowMs: Date.now() });
  const server = createTlsServer({ cert: pem, key: privateKeyPem });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dial = async (): Promise<TLSSocket> => {
    const { port } = server.address() as AddressInfo;
    const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.certificatePem });
    await once(socket, 'secureConnect');
    return socket;
  };
  const end = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { server, dial, [Symbol.asyncDispose]: end };
}
