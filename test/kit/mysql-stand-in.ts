/** A scripted server in MySQL's place, over real sockets and real TLS: says what no real one says. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';

import { createAuthority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { databaseServerProfile } from '../../src/pki/profiles.ts';
import { CLIENT } from '../../src/protocol/mysql/capabilities.ts';
import { encodeGreeting, type Greeting } from '../../src/protocol/mysql/greeting.ts';
import { encodePacket } from '../../src/protocol/mysql/packet.ts';

/** One connection as the script sees it. */
export type ScriptedClient = {
  /** The next packet of the client. Rejects when it left. */
  read(): Promise<{ readonly sequence: number; readonly payload: Buffer }>;
  /** A packet, with the number that follows what was read or sent last, or `sequence`. */
  send(payload: Uint8Array, sequence?: number): void;
  /** Bytes as they are. */
  raw(bytes: Uint8Array): void;
  end(): void;
};

export type StandInOptions = {
  readonly secureContext: SecureContext;
  /** Said in place of a usual greeting; not a payload but all bytes. */
  readonly opening?: Uint8Array;
  readonly greeting?: Partial<Greeting>;
  /** What happens inside TLS; the first packet is the handshake response. */
  readonly script?: (client: ScriptedClient) => Promise<void>;
};

export type StandIn = { readonly port: number; readonly connections: () => number; close(): Promise<void> };

/** What a MySQL 9 says of itself. */
export const usualGreeting: Greeting = {
  serverVersion: '9.7.4-stand-in',
  connectionId: 77,
  scramble: Buffer.from('abcdefghijklmnopqrst'),
  capabilities: (0xdfff_ffff & ~CLIENT.COMPRESS) >>> 0,
  extended: 0,
  charset: 255,
  status: 2,
  plugin: 'caching_sha2_password',
};

/** What a stand-in on `localhost` shows, and what a client needs to believe it. */
export async function standInContexts(): Promise<{ readonly server: SecureContext; readonly trusting: SecureContext }> {
  const authority = await createAuthority('db', 'test', () => Date.now());
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const { pem } = await issueCertificate(authority, databaseServerProfile(['localhost']), {
    publicKeyDer,
    ttlMs: 3_600_000,
    nowMs: Date.now(),
  });
  return {
    server: createSecureContext({ cert: pem, key: privateKeyPem }),
    trusting: createSecureContext({ ca: authority.certificatePem }),
  };
}

/** Listens on a free loopback port. A function is asked at each connection. The caller closes it. */
export async function startStandIn(options: StandInOptions | (() => StandInOptions)): Promise<StandIn> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    serve(socket, typeof options === 'function' ? options() : options).catch(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function serve(socket: Socket, { secureContext, opening, greeting, script }: StandInOptions): Promise<void> {
  socket.write(opening ?? encodePacket(0, encodeGreeting({ ...usualGreeting, ...greeting })));
  if (script === undefined) return;
  let request = Buffer.alloc(0);
  while (request.length < 36) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    request = Buffer.concat([request, chunk]);
  }
  socket.pause();
  socket.removeAllListeners('data');
  if (request.length > 36) socket.unshift(request.subarray(36));
  const secured = new TLSSocket(socket, { isServer: true, secureContext });
  secured.on('error', () => socket.destroy());
  await script(scripted(secured));
}

function scripted(socket: TLSSocket): ScriptedClient {
  let held = Buffer.alloc(0);
  let next = 0;
  let ended = false;
  let wake = (): void => {};
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    wake();
  });
  socket.on('close', () => {
    ended = true;
    wake();
  });
  const fill = async (count: number): Promise<void> => {
    while (held.length < count) {
      if (ended) throw new Error('the client left');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    async read() {
      await fill(4);
      const length = 4 + held.readUIntLE(0, 3);
      await fill(length);
      const packet = held.subarray(0, length);
      held = held.subarray(length);
      const sequence = packet.readUInt8(3);
      next = sequence + 1;
      return { sequence, payload: packet.subarray(4) };
    },
    send(payload, sequence = next) {
      socket.write(encodePacket(sequence, payload));
      next = sequence + 1;
    },
    raw: (bytes) => void socket.write(bytes),
    end: () => void socket.end(),
  };
}
