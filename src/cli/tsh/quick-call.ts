import { connect } from 'node:http2';
import type { ClientHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { TesseraError, UpstreamError } from '../../errors.ts';
import { dialAuth } from '../../rpc/dial.ts';
import { parseProxyAddress, printProxyAddress } from '../address.ts';
import type { Io } from '../io.ts';
import type { Session } from './session.ts';
import { debugLog } from './session.ts';

/**
 * One unary call with JSON, by node:http2 alone: the same connection and the same method as src/rpc/client.ts makes, without loading the
 * RPC library, which takes longer than the call. For commands that people expect to answer at once.
 * https://connectrpc.com/docs/protocol#unary-request
 *
 * Throws TesseraError with Connect's code (`permission_denied`, ...), UpstreamError when nothing or nonsense comes back.
 */
export async function quickCall(io: Io, session: Session, method: string, request: object): Promise<unknown> {
  const { socket } = await dialAuth({
    addresses: [printProxyAddress(parseProxyAddress(session.profile.proxy))],
    via: 'proxy',
    identity: { certificate: session.identity.certificate, privateKey: session.identity.privateKey },
    trust: { hostAuthorities: session.store.hostAuthorities(session.profile) },
    timeoutMs: DIAL_TIMEOUT_MS,
    log: debugLog(io),
  });
  try {
    const { status, body } = await exchange(socket, method, JSON.stringify(request));
    const reply = parse(method, status, body);
    if (status === 200) return reply;
    throw new TesseraError(
      text(reply, 'code') || 'unknown',
      text(reply, 'message') || `the auth service answered ${method} with status ${status}`,
    );
  } finally {
    socket.destroy();
  }
}

async function exchange(socket: TLSSocket, method: string, json: string): Promise<{ status: number; body: string }> {
  const client = connect('https://auth.tessera.internal', {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const away = (cause?: unknown): void =>
    reject(new UpstreamError('unavailable', `the auth service did not answer ${method}`, { cause, retryable: true }));
  client.once('error', away).once('close', away);
  const stream: ClientHttp2Stream = client.request({
    ':method': 'POST',
    ':path': `/tessera.auth.v1.AuthService/${method}`,
    'content-type': 'application/json',
    'connect-protocol-version': '1',
    'connect-timeout-ms': String(CALL_TIMEOUT_MS),
  });
  stream.setTimeout(CALL_TIMEOUT_MS, () => away());
  const chunks: Buffer[] = [];
  let status = 0;
  let size = 0;
  stream.once('error', away).once('response', (headers) => (status = headers[':status'] ?? 0));
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) away(new Error(`answer larger than maxReplyBytes ${MAX_REPLY_BYTES}`));
    else chunks.push(chunk);
  });
  stream.once('end', () => resolve({ status, body: Buffer.concat(chunks).toString('utf8') }));
  stream.end(json);
  try {
    return await promise;
  } finally {
    client.destroy();
  }
}

function parse(method: string, status: number, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new UpstreamError('unavailable', `the auth service answered ${method} with status ${status} and no JSON`, {
      cause,
    });
  }
}

function text(value: unknown, key: string): string {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return typeof found === 'string' ? found : '';
}

const DIAL_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 30_000;
/** maxReplyBytes: as src/rpc/client.ts takes. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;
