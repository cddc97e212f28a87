/** A client of MySQL by hand: greeting, request for TLS, handshake response, and the packets that come back. */
import { once } from 'node:events';
import type net from 'node:net';
import type tls from 'node:tls';
import { CLIENT } from '../../src/protocol/mysql/capabilities.ts';
import { decodeErr } from '../../src/protocol/mysql/err.ts';
import { decodeGreeting, type Greeting } from '../../src/protocol/mysql/greeting.ts';
import { encodeHandshakeResponse, encodeSslRequest } from '../../src/protocol/mysql/handshake-response.ts';
import { encodePacket, HEADER_BYTES } from '../../src/protocol/mysql/packet.ts';
import type { ServerError } from '../../src/protocol/mysql/records.ts';
import type { ShownCertificate } from '../../src/service/proxy/tls-door.ts';
import { dialRaw, secure } from './gateway.ts';

const flags = {
  capabilities: CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH | CLIENT.CONNECT_WITH_DB,
  extended: 0,
  maxPacketSize: 0x100_0000,
  charset: 45,
};

/** The request for TLS as a whole packet. */
export const mysqlSslRequest = encodePacket(1, encodeSslRequest(flags));

export type ResponseOptions = { readonly user?: string; readonly database?: string; readonly password?: string };

/** A handshake response as a whole packet; `password` stands in it as it is. */
export function mysqlResponse(sequence: number, options: ResponseOptions = {}): Buffer {
  return encodePacket(
    sequence,
    encodeHandshakeResponse({
      ...flags,
      user: options.user ?? 'app',
      database: options.database ?? 'shop',
      authResponse: Buffer.from(options.password ?? ''),
      plugin: 'mysql_native_password',
      attributes: new Map(),
    }),
  );
}

/** Bytes of one packet, its header too. Rejects when the socket closes before it is whole. */
export async function readPacket(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const bytes = Buffer.concat(chunks);
    const whole = bytes.length < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + bytes.readUIntLE(0, 3);
    if (bytes.length >= HEADER_BYTES && bytes.length >= whole) {
      if (bytes.length > whole) socket.unshift(bytes.subarray(whole));
      return bytes.subarray(0, whole);
    }
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) chunks.push(chunk);
    else if (socket.destroyed || socket.readableEnded) throw new Error(`closed after ${bytes.length} bytes`);
    else await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  }
}

/** What the server says first. */
export async function readGreeting(
  socket: net.Socket,
): Promise<{ readonly packet: Buffer; readonly greeting: Greeting }> {
  const packet = await readPacket(socket);
  return { packet, greeting: decodeGreeting(packet.subarray(HEADER_BYTES)) };
}

/** The ERR that a packet must be, with its sequence number. */
export function errorOfPacket(packet: Buffer): ServerError & { readonly sequence: number } {
  if (packet[HEADER_BYTES] !== 0xff) throw new Error(`expected an ERR, got ${packet.toString('hex')}`);
  return { ...decodeErr(packet.subarray(HEADER_BYTES), CLIENT.PROTOCOL_41), sequence: packet.readUInt8(3) };
}

export type MysqlDial = { readonly socket: tls.TLSSocket; readonly greeting: Greeting; readonly packet: Buffer };

/** Greeting in clear, request for TLS, TLS. The ClientHello follows its request without waiting, as clients do. */
export async function dialMysql(
  port: number,
  who: ShownCertificate | undefined,
  alpn?: readonly string[],
): Promise<MysqlDial> {
  const raw = await dialRaw(port);
  const said = await readGreeting(raw);
  raw.write(mysqlSslRequest);
  const socket = await secure(raw, {
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    ...(who === undefined ? {} : { cert: who.certificate, key: who.privateKey }),
  });
  return { socket, ...said };
}

/** TLS first, with the name of a tunnel's local end; nothing is read. */
export async function dialTunnelled(
  port: number,
  who: ShownCertificate | undefined,
  alpn = 'tessera-mysql',
): Promise<tls.TLSSocket> {
  const shown = who === undefined ? {} : { cert: who.certificate, key: who.privateKey };
  return secure(await dialRaw(port), { ALPNProtocols: [alpn], ...shown });
}
