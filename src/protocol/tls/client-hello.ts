import { ProtocolError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';

/** What {@link peekClientHello} makes of the first bytes of a connection. */
export type ClientHelloPeek =
  /** A ClientHello so far, and not whole yet. */
  | { readonly type: 'more' }
  | { readonly type: 'hello'; readonly serverName: string | undefined; readonly alpn: readonly string[] }
  /** No TLS handshake, or none that can be read. */
  | { readonly type: 'not-tls'; readonly reason: string };

/** A ClientHello above this is refused; real ones have 300 to 2,000 bytes, with post-quantum key shares. */
export const maxClientHelloBytes = 64 * 1024;

/**
 * Reads server name and ALPN from the first bytes of a connection without consuming them. Pure: call again with all bytes so far after `more`. The ClientHello may be
 * spread over several records, and records over any number of chunks.
 *
 *     record:    0x16 | 0x03 minor | uint16 length | fragment
 *     handshake: 0x01 | uint24 length | version 2 | random 32 | session id <0..32> | cipher suites <2..> | compressions <1..> | extensions <0..>
 *
 * https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2
 */
export function peekClientHello(bytes: Buffer): ClientHelloPeek {
  const collected = collectHandshake(bytes);
  if (!Buffer.isBuffer(collected)) return collected;
  try {
    return readHello(new Reader('tls: ClientHello', 'TLS_CLIENT_HELLO', collected));
  } catch (error: unknown) {
    if (error instanceof ProtocolError) return notTls(error.message);
    throw error;
  }
}

/** The handshake message without its four header bytes, out of its records. */
function collectHandshake(bytes: Buffer): Buffer | ClientHelloPeek {
  const fragments: Buffer[] = [];
  let collected = 0;
  let at = 0;
  while (fragments.length < maxRecords && at < maxClientHelloBytes) {
    const length = recordLength(bytes, at);
    if (typeof length === 'string') return notTls(length);
    if (length === undefined) return MORE;
    const fragment = bytes.subarray(at + 5, at + 5 + length);
    fragments.push(fragment);
    collected += fragment.length;
    const hello = wholeHello(fragments, collected);
    if (typeof hello === 'string') return notTls(hello);
    if (hello !== undefined) return hello;
    if (fragment.length < length) return bytes.length >= maxClientHelloBytes ? notTls(TOO_LONG) : MORE;
    at += 5 + length;
  }
  return notTls(TOO_LONG);
}

/** A record's fragment length; undefined when its header is not whole; text when it is no handshake record. */
function recordLength(bytes: Buffer, at: number): number | string | undefined {
  const problem = recordProblem(bytes, at);
  if (problem !== undefined) return problem;
  if (bytes.length - at < 5) return undefined;
  const length = bytes.readUInt16BE(at + 3);
  return length === 0 || length > maxRecordBytes ? `record of ${length} bytes` : length;
}

function wholeHello(fragments: readonly Buffer[], collected: number): Buffer | string | undefined {
  if (collected < 4) return undefined;
  const start = Buffer.concat(fragments, collected);
  const want = handshakeLength(start);
  if (typeof want === 'string') return want;
  return collected < want ? undefined : start.subarray(4, want);
}

function recordProblem(bytes: Buffer, at: number): string | undefined {
  const [type, major] = [bytes[at], bytes[at + 1]];
  if (type !== undefined && type !== 0x16) return 'first byte is no handshake record';
  return major !== undefined && major !== 0x03 ? 'record has an unknown version' : undefined;
}

function handshakeLength(start: Buffer): number | string {
  if (start[0] !== 0x01) return 'handshake does not begin with a ClientHello';
  const length = 4 + start.readUIntBE(1, 3);
  return length > maxClientHelloBytes ? TOO_LONG : length;
}

function readHello(reader: Reader): ClientHelloPeek {
  reader.skip('version', 2);
  reader.skip('random', 32);
  reader.skip('session id', reader.uint8('session id length'));
  reader.skip('cipher suites', reader.uint16('cipher suites length'));
  reader.skip('compressions', reader.uint8('compressions length'));
  let serverName: string | undefined;
  let alpn: readonly string[] = [];
  if (reader.remaining === 0) return { type: 'hello', serverName, alpn };
  const extensions = reader.sub('extensions', reader.uint16('extensions length'));
  reader.end();
  while (extensions.remaining > 0) {
    const type = extensions.uint16('type');
    const body = extensions.sub('body', extensions.uint16('length'));
    if (type === EXTENSION_SERVER_NAME) serverName ??= readServerName(body);
    else if (type === EXTENSION_ALPN && alpn.length === 0) alpn = readAlpn(body);
  }
  return { type: 'hello', serverName, alpn };
}

/** uint16 list length | (uint8 type | uint16 length | name)*; RFC 6066 section 3. A name that is no host name counts as none. */
function readServerName(body: Reader): string | undefined {
  const list = body.sub('server names', body.uint16('length'));
  while (list.remaining > 0) {
    const type = list.uint8('name type');
    const name = list.bytes('name', list.uint16('name length')).toString('latin1');
    if (type === 0) return /^[\x21-\x7e]{1,255}$/.test(name) ? name.toLowerCase() : undefined;
  }
  return undefined;
}

/** uint16 list length | (uint8 length | name)*; RFC 7301 section 3.1. */
function readAlpn(body: Reader): readonly string[] {
  const list = body.sub('protocols', body.uint16('length'));
  const names: string[] = [];
  while (list.remaining > 0) names.push(list.bytes('protocol', list.uint8('protocol length')).toString('latin1'));
  return names;
}

function notTls(reason: string): ClientHelloPeek {
  return { type: 'not-tls', reason };
}

const MORE: ClientHelloPeek = { type: 'more' };
const TOO_LONG = `ClientHello exceeds maxClientHelloBytes ${maxClientHelloBytes}`;
/** RFC 8446 section 5.1. */
const maxRecordBytes = 16_384;
/** A ClientHello in more records than this is no client but a probe. */
const maxRecords = 64;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
