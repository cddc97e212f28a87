/** A server in a proxy's place whose certificate no client should take: it says yes to everybody and keeps what it is told. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { createAuthority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { databaseServerProfile } from '../../src/pki/profiles.ts';
import { packet } from './mysql-wire.ts';

export type Impostor = {
  readonly port: number;
  /** What clients sent inside TLS, as text. */
  told(): string;
  close(): void;
};

/** On 127.0.0.1, with a certificate for localhost of an authority that is nobody's. */
export async function startImpostor(): Promise<Impostor> {
  const authority = await createAuthority('db', 'foreign', () => Date.now());
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const { pem } = await issueCertificate(authority, databaseServerProfile(['localhost', '127.0.0.1']), {
    publicKeyDer,
    ttlMs: 3_600_000,
    nowMs: Date.now(),
  });
  const secureContext = createSecureContext({ cert: pem, key: privateKeyPem });
  let told = '';
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(packet(0, greeting));
    socket.once('readable', () => {
      socket.read(requestBytes);
      const inside = new TLSSocket(socket, { isServer: true, secureContext });
      inside.on('error', () => undefined);
      let sequence = 3;
      inside.on('data', (chunk: Buffer) => {
        told += chunk.toString('latin1');
        inside.write(packet(sequence, ok));
        sequence = 1;
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, told: () => told, close: () => void server.close() };
}

/** 36 bytes with the header. */
const requestBytes = 36;
const ok = Buffer.from('00000002000000', 'hex');
/** Version, id, scramble, every capability but compression, utf8mb4, the plugin that all clients take. */
const greeting = Buffer.concat([
  Buffer.from('\u000a8.0.36\0'),
  Buffer.from([1, 0, 0, 0]),
  Buffer.from('abcdefgh\0'),
  Buffer.from([0xdf, 0xff, 45, 2, 0, 0xff, 0x01, 21]),
  Buffer.alloc(10),
  Buffer.from('abcdefghijkl\0mysql_native_password\0'),
]);
