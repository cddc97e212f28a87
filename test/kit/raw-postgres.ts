/**
 * A PostgreSQL client that keeps every byte the server sends, written apart from the product's codec so that both can be compared. Direct TLS after SSLRequest, client certificate, no
 * interpretation but message borders.
 */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

export type RawAddress = {
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** 0x00030000 when absent. */
  readonly protocolVersion?: number;
};

export type RawMessage = { readonly type: string; readonly body: Buffer };

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
const replyTimeoutMs = 60_000;

export class RawPostgres {
  readonly #socket: TLSSocket;
  #pending: Buffer = Buffer.alloc(0);
  #messages: RawMessage[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const close = (): void => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.on('close', close);
    socket.on('end', close);
    socket.on('error', close);
  }

  /** Resolves after ReadyForQuery or the server's refusal; `greeting` has all messages up to it. */
  static async open(
    address: RawAddress,
  ): Promise<{ readonly client: RawPostgres; readonly greeting: readonly RawMessage[] }> {
    const socket = await upgrade(connectTcp(address.port, '127.0.0.1'), address);
    const client = new RawPostgres(socket);
    client.send(startup(address));
    return { client, greeting: await client.until(['Z', 'E']) };
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** All messages up to and including the first whose type is listed, or what there is when the server closes. */
  async until(types: readonly string[]): Promise<readonly RawMessage[]> {
    const deadline = performance.now() + replyTimeoutMs;
    for (;;) {
      const at = this.#messages.findIndex((message) => types.includes(message.type));
      if (at !== -1) return this.#messages.splice(0, at + 1);
      if (this.#closed) return this.#messages.splice(0);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no ${types.join(' or ')} within ${replyTimeoutMs} ms`);
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, left);
        this.#wake = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
  }

  /** One simple Query and everything up to ReadyForQuery. */
  async query(sql: string): Promise<readonly RawMessage[]> {
    this.send(message('Q', cstring(sql)));
    return this.until(['Z']);
  }

  /** Parse, Bind with text values, Describe, Execute, Sync; results in text (0) or binary (1). */
  async extended(sql: string, values: readonly (string | null)[], resultFormat: 0 | 1): Promise<readonly RawMessage[]> {
    this.send(
      Buffer.concat([
        parse('', sql),
        bind('', '', values, resultFormat),
        message('D', Buffer.from('P\0')),
        execute('', 0),
        sync,
      ]),
    );
    return this.until(['Z']);
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let at = 0;
    while (this.#pending.length - at >= 5) {
      const length = this.#pending.readInt32BE(at + 1);
      if (this.#pending.length - at < length + 1) break;
      this.#messages.push({
        type: String.fromCharCode(this.#pending[at] ?? 0),
        body: Buffer.from(this.#pending.subarray(at + 5, at + 1 + length)),
      });
      at += length + 1;
    }
    this.#pending = this.#pending.subarray(at);
    this.#wake?.();
  }
}

export const sync = message('S', Buffer.alloc(0));

export function message(type: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function parse(name: string, sql: string): Buffer {
  return message('P', Buffer.concat([cstring(name), cstring(sql), int16(0)]));
}

export function bind(
  portal: string,
  statement: string,
  values: readonly (string | null)[],
  resultFormat: 0 | 1,
): Buffer {
  const encoded = values.map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]),
  );
  return message(
    'B',
    Buffer.concat([
      cstring(portal),
      cstring(statement),
      int16(0),
      int16(values.length),
      ...encoded,
      int16(1),
      int16(resultFormat),
    ]),
  );
}

export function execute(portal: string, maxRows: number): Buffer {
  return message('E', Buffer.concat([cstring(portal), int32(maxRows)]));
}

export function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** One field of an ErrorResponse or NoticeResponse body. */
export function field(body: Buffer, code: string): string | undefined {
  for (const part of body.toString().split('\0')) if (part.startsWith(code)) return part.slice(1);
  return undefined;
}

/** SSLRequest, `S`, TLS. */
export async function upgrade(
  socket: Socket,
  tls: { readonly ca: string; readonly cert?: string; readonly key?: string },
): Promise<TLSSocket> {
  await once(socket, 'connect');
  socket.setNoDelay(true);
  socket.write(sslRequest);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (answer.toString() !== 'S') throw new Error(`SSLRequest was answered with ${answer.toString('hex')}`);
  const secure = connectTls({ socket, servername: 'localhost', ALPNProtocols: ['postgresql'], ...tls });
  await once(secure, 'secureConnect');
  return secure;
}

/** A StartupMessage. */
export function startup(address: Pick<RawAddress, 'user' | 'database' | 'parameters' | 'protocolVersion'>): Buffer {
  const parameters = Object.entries({ user: address.user, database: address.database, ...address.parameters });
  const body = Buffer.concat([
    int32(address.protocolVersion ?? 0x0003_0000),
    ...parameters.map(([name, value]) => Buffer.from(`${name}\0${value}\0`)),
    Buffer.from([0]),
  ]);
  return Buffer.concat([int32(body.length + 4), body]);
}
