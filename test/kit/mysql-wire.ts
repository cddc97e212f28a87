/** A MySQL client by hand that shares no code with src/protocol/mysql: every packet of an answer as it came, with its sequence number. */
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { lenencInt, type WireParameter, parameterBlock, readLenenc } from './mysql-wire-values.ts';

/** The flags of https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html that tests speak of. */
export const FLAG = {
  mysql: 1,
  foundRows: 2,
  longFlag: 4,
  withDatabase: 8,
  compress: 0x20,
  localFiles: 0x80,
  protocol41: 0x200,
  ssl: 0x800,
  transactions: 0x2000,
  secure: 0x8000,
  multiStatements: 0x1_0000,
  multiResults: 0x2_0000,
  psMultiResults: 0x4_0000,
  pluginAuth: 0x8_0000,
  connectAttributes: 0x10_0000,
  sessionTrack: 0x80_0000,
  deprecateEof: 0x100_0000,
  optionalMetadata: 0x200_0000,
  zstd: 0x400_0000,
  queryAttributes: 0x800_0000,
} as const;

/** MariaDB's, in the bytes that MySQL keeps reserved. */
export const EXTENDED = { progress: 1, bulk: 4, metadata: 8, cacheMetadata: 16, unitResults: 32 } as const;

const base =
  FLAG.longFlag |
  FLAG.protocol41 |
  FLAG.transactions |
  FLAG.secure |
  FLAG.multiStatements |
  FLAG.multiResults |
  FLAG.psMultiResults |
  FLAG.pluginAuth;

export type WireAddress = {
  readonly port: number;
  readonly user: string;
  readonly database?: string;
  /** PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** `tunnel`: TLS first, with the ALPN of a tunnel's local end. Default: TLS inside the protocol. */
  readonly way?: 'inside' | 'tunnel';
  /** Beside those that every client has; what the greeting lacks is not asked for. */
  readonly flags?: number;
  readonly extended?: number;
  /** Stands in the response as it is. */
  readonly password?: Buffer;
  /** The request for TLS and the ClientHello leave in one write. */
  readonly oneSegment?: boolean;
};

/** A logical packet: what the server split at 16 MiB is joined. */
export type WirePacket = { readonly sequence: number; readonly payload: Buffer; readonly parts: number };

export type WireGreeting = {
  readonly serverVersion: string;
  readonly connectionId: number;
  readonly flags: number;
  readonly extended: number;
  readonly plugin: string;
};

/** How the answer of a command ends: `result` is COM_QUERY's and COM_STMT_EXECUTE's. */
export type Grammar = 'result' | 'ok' | 'prepare' | 'fields' | 'text' | 'rows';

/** An ERR in place of the OK. */
export class WireRefusal extends Error {
  readonly code: number;
  readonly sequence: number;
  constructor(packet: WirePacket) {
    super(packet.payload.toString('utf8', 3));
    this.code = packet.payload.readUInt16LE(1);
    this.sequence = packet.sequence;
  }
}

export class MysqlWire {
  readonly greeting: WireGreeting;
  /** As asked for in the response. */
  readonly flags: number;
  readonly extended: number;
  /** The OK of the sign-in. */
  readonly accepted: WirePacket;
  readonly #packets: Packets;

  private constructor(packets: Packets, greeting: WireGreeting, flags: number, extended: number, accepted: WirePacket) {
    this.#packets = packets;
    this.greeting = greeting;
    this.flags = flags;
    this.extended = extended;
    this.accepted = accepted;
  }

  /** Signed in; a refusal rejects with {@link WireRefusal}. */
  static async open(address: WireAddress): Promise<MysqlWire> {
    const socket = connect(address.port, '127.0.0.1');
    await connected(socket);
    const tls = { ca: address.ca, cert: address.cert, key: address.key, servername: 'localhost' };
    const tunnel = address.way === 'tunnel';
    let packets: Packets;
    if (tunnel) packets = new Packets(await secured(connectTls({ socket, ALPNProtocols: ['tessera-mysql'], ...tls })));
    else packets = new Packets(socket);
    const greeting = readGreeting(await packets.next());
    const wanted = base | (address.flags ?? 0) | (address.database === undefined ? 0 : FLAG.withDatabase);
    const extended = (address.extended ?? 0) & greeting.extended;
    const flags = ((wanted & greeting.flags) | (extended === 0 ? FLAG.mysql : 0)) >>> 0;
    const head = responseHead((flags | (tunnel ? 0 : FLAG.ssl)) >>> 0, extended);
    if (!tunnel) {
      packets.release();
      packets = new Packets(await upgraded(socket, packet(1, head), address.oneSegment === true, tls));
    }
    packets.send(packet(tunnel ? 1 : 2, Buffer.concat([head, responseTail(address)])));
    for (;;) {
      const answer = await packets.next();
      if (answer.payload[0] === 0xff) {
        packets.close();
        throw new WireRefusal(answer);
      }
      if (answer.payload[0] === 0) return new MysqlWire(packets, greeting, flags, extended, answer);
      // A switch to another plugin: certificates are all we have, so the password is empty.
      packets.send(packet(answer.sequence + 1, Buffer.alloc(0)));
    }
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** One command and its whole answer. `file` answers a request for a file. */
  async ask(payload: Buffer, grammar: Grammar, file?: readonly Buffer[]): Promise<readonly WirePacket[]> {
    this.send(payload);
    return this.answer(grammar, file);
  }

  send(payload: Buffer, sequence = 0): void {
    this.#packets.send(packet(sequence, payload));
  }

  /** Bytes as they are. */
  sendRaw(bytes: Buffer): void {
    this.#packets.send(bytes);
  }

  next(): Promise<WirePacket> {
    return this.#packets.next();
  }

  query(sql: string | Buffer, file?: readonly Buffer[]): Promise<readonly WirePacket[]> {
    return this.ask(this.queryPayload(sql), 'result', file);
  }

  /** COM_QUERY, with attributes where they were agreed on. */
  queryPayload(sql: string | Buffer, attributes: readonly WireParameter[] = []): Buffer {
    const text = typeof sql === 'string' ? Buffer.from(sql) : sql;
    if (!this.has(FLAG.queryAttributes)) return Buffer.concat([Buffer.from([3]), text]);
    return Buffer.concat([Buffer.from([3, attributes.length, 1]), parameterBlock(attributes, true, true), text]);
  }

  /** COM_STMT_EXECUTE. `types: false` leaves them out, as on a second execution. */
  executePayload(
    id: number,
    values: readonly WireParameter[],
    options: {
      readonly cursor?: boolean;
      readonly types?: boolean;
      readonly attributes?: readonly WireParameter[];
    } = {},
  ): Buffer {
    const named = this.has(FLAG.queryAttributes);
    const all = [...values, ...(options.attributes ?? [])];
    const head = Buffer.alloc(10);
    head[0] = 0x17;
    head.writeUInt32LE(id, 1);
    head[5] = (options.cursor === true ? 1 : 0) | (named ? 8 : 0);
    head.writeUInt32LE(1, 6);
    const count = named ? [lenencInt(all.length)] : [];
    return Buffer.concat([head, ...count, parameterBlock(all, named, options.types ?? true)]);
  }

  async answer(grammar: Grammar, file?: readonly Buffer[]): Promise<readonly WirePacket[]> {
    const all: WirePacket[] = [];
    const take = async (): Promise<WirePacket> => {
      const taken = await this.next();
      all.push(taken);
      return taken;
    };
    switch (grammar) {
      case 'ok':
      case 'text':
        await take();
        break;
      case 'prepare':
        await this.#prepared(take);
        break;
      case 'fields':
      case 'rows':
        while (!this.#isEnd(await take()));
        break;
      case 'result':
        while (((await this.#oneResult(take, file)) & moreResults) !== 0);
        break;
    }
    return all;
  }

  close(): void {
    this.#packets.close();
  }

  async #prepared(take: () => Promise<WirePacket>): Promise<void> {
    const { payload } = await take();
    // A text of nothing is answered by a bare OK.
    if (payload[0] === 0xff || payload.length < 12) return;
    for (const count of [payload.readUInt16LE(7), payload.readUInt16LE(5)]) {
      for (let n = 0; n < count; n++) await take();
      if (count > 0 && !this.has(FLAG.deprecateEof)) await take();
    }
  }

  /** The status of its end. */
  async #oneResult(take: () => Promise<WirePacket>, file: readonly Buffer[] | undefined): Promise<number> {
    let first = await take();
    while (isProgress(first)) first = await take();
    if (first.payload[0] === 0xff) return 0;
    if (first.payload[0] === 0) return this.#status(first);
    if (first.payload[0] === 0xfb) {
      let sequence = first.sequence + 1;
      for (const part of [...(file ?? []), Buffer.alloc(0)]) this.send(part, sequence++ & 0xff);
      return this.#oneResult(take, undefined);
    }
    const [columns] = readLenenc(first.payload, 0);
    for (let n = 0; n < columns; n++) await take();
    let outParameters = 0;
    if (!this.has(FLAG.deprecateEof)) {
      const status = this.#status(await take());
      if ((status & cursorExists) !== 0) return status;
      // MySQL says only here that another answer follows the row of OUT parameters.
      if ((status & psOutParameters) !== 0) outParameters = status & moreResults;
    }
    for (;;) {
      const row = await take();
      if (isProgress(row)) continue;
      if (this.#isEnd(row)) return row.payload[0] === 0xff ? 0 : this.#status(row) | outParameters;
    }
  }

  #isEnd({ payload }: WirePacket): boolean {
    if (payload[0] === 0xff) return true;
    return payload[0] === 0xfe && payload.length < (this.has(FLAG.deprecateEof) ? 0xff_ffff : 9);
  }

  /** Of an OK or EOF. */
  #status({ payload }: WirePacket): number {
    if (payload[0] === 0xfe && !this.has(FLAG.deprecateEof)) return payload.readUInt16LE(3);
    const [, afterAffected] = readLenenc(payload, 1);
    const [, at] = readLenenc(payload, afterAffected);
    return payload.readUInt16LE(at);
  }
}

/** A packet, split where MySQL does. */
export function packet(sequence: number, payload: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, number = sequence; ; at += maxPayload, number++) {
    const part = payload.subarray(at, at + maxPayload);
    const head = Buffer.alloc(4);
    head.writeUIntLE(part.length, 0, 3);
    head[3] = number & 0xff;
    parts.push(head, part);
    if (part.length < maxPayload) return Buffer.concat(parts);
  }
}

const maxPayload = 0xff_ffff;
const moreResults = 8;
const cursorExists = 0x40;
const psOutParameters = 0x1000;
const answerTimeoutMs = 30_000;

function isProgress({ payload }: WirePacket): boolean {
  return payload[0] === 0xff && payload.readUInt16LE(1) === 0xffff;
}

function readGreeting({ payload, ...rest }: WirePacket): WireGreeting {
  if (payload[0] === 0xff) throw new WireRefusal({ payload, ...rest });
  const zero = payload.indexOf(0, 1);
  const at = zero + 1;
  const flags = (payload.readUInt16LE(at + 13) | (payload.readUInt16LE(at + 18) << 16)) >>> 0;
  return {
    serverVersion: payload.toString('latin1', 1, zero),
    connectionId: payload.readUInt32LE(at),
    flags,
    extended: (flags & FLAG.mysql) === 0 ? payload.readUInt32LE(at + 27) : 0,
    plugin: payload.toString('latin1', at + 44, payload.length - 1),
  };
}

/** What the request for TLS and the response begin with. */
function responseHead(flags: number, extended: number): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32LE(flags, 0);
  head.writeUInt32LE(0x4000_0000, 4);
  head[8] = 45;
  head.writeUInt32LE(extended, 28);
  return head;
}

function responseTail({ user, database, password = Buffer.alloc(0) }: WireAddress): Buffer {
  const text = (value: string): Buffer => Buffer.from(`${value}\0`);
  return Buffer.concat([
    text(user),
    Buffer.from([password.length]),
    password,
    ...(database === undefined ? [] : [text(database)]),
    text('mysql_native_password'),
  ]);
}

async function connected(socket: Socket): Promise<void> {
  await once(socket, 'connect');
  socket.setNoDelay(true);
}

async function secured(socket: TLSSocket): Promise<TLSSocket> {
  await once(socket, 'secureConnect');
  return socket;
}

async function upgraded(
  socket: Socket,
  request: Buffer,
  oneSegment: boolean,
  tls: { readonly ca: string; readonly cert: string; readonly key: string; readonly servername: string },
): Promise<TLSSocket> {
  if (oneSegment) return secured(connectTls({ socket: new Joined(socket, request), ...tls }));
  socket.write(request);
  return secured(connectTls({ socket, ...tls }));
}

/** A stream whose first write carries `before` ahead of it. */
class Joined extends Duplex {
  readonly #socket: Socket;
  #before: Buffer | undefined;

  constructor(socket: Socket, before: Buffer) {
    super();
    this.#socket = socket;
    this.#before = before;
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const bytes = this.#before === undefined ? chunk : Buffer.concat([this.#before, chunk]);
    this.#before = undefined;
    this.#socket.write(bytes, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

/** Packets of a stream, one after the other. */
class Packets {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #size = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    this.#wake?.();
  };
  readonly #onClose = (): void => {
    this.#ended = true;
    this.#wake?.();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData);
    socket.on('close', this.#onClose);
    socket.on('error', this.#onClose);
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  async next(): Promise<WirePacket> {
    const parts: Buffer[] = [];
    let sequence = 0;
    for (;;) {
      const head = await this.#take(4);
      const length = head.readUIntLE(0, 3);
      if (parts.length === 0) sequence = head.readUInt8(3);
      else if (head.readUInt8(3) !== ((sequence + parts.length) & 0xff))
        throw new Error(`part ${parts.length} of a packet has sequence ${head.readUInt8(3)}, the first ${sequence}`);
      parts.push(await this.#take(length));
      if (length < maxPayload) return { sequence, payload: Buffer.concat(parts), parts: parts.length };
    }
  }

  /** Gives the socket away. */
  release(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('close', this.#onClose);
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  async #take(count: number): Promise<Buffer> {
    const deadline = performance.now() + answerTimeoutMs;
    while (this.#size < count) {
      if (this.#ended) throw new Error(`closed with ${this.#size} bytes left, expected ${count}`);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no answer within ${answerTimeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const first = this.#chunks[0] ?? Buffer.alloc(0);
    const all = first.length >= count ? first : Buffer.concat(this.#chunks);
    this.#chunks = all === first ? [all.subarray(count), ...this.#chunks.slice(1)] : [all.subarray(count)];
    this.#size -= count;
    return all.subarray(0, count);
  }
}
