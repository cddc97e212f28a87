import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { decodeErr } from './err.ts';
import { SCRAMBLE_BYTES } from './greeting.ts';
import { decodeOk, type OkPacket } from './ok.ts';
import type { ServerError } from './records.ts';

/**
 * What a server may answer while a client signs in.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods.html
 */
export type AuthAnswer =
  | { readonly type: 'ok'; readonly ok: OkPacket }
  | { readonly type: 'error'; readonly error: ServerError }
  | ({ readonly type: 'switch' } & AuthSwitch)
  /** Data for the plugin. Servers put 0x01 in front, which is not part of it; MariaDB only where the data would look like another answer. */
  | { readonly type: 'more'; readonly data: Buffer };

/** AuthSwitchRequest: `0xfe | plugin\0 | data`. Start anew with this plugin. */
export type AuthSwitch = {
  readonly plugin: string;
  /** Usually a scramble: of 20 bytes, without the zero that servers put behind it, or MariaDB's of 32 random bytes, which have none behind them. */
  readonly data: Buffer;
};

/**
 * Decodes the payload of a server's answer during sign-in; `data` shares no memory with it. Throws a ProtocolError `MYSQL_AUTH_*` (`_TOO_SHORT`, `_UNTERMINATED`,
 * `_UNSUPPORTED` when a second factor is asked for), `MYSQL_OK_*`, `MYSQL_ERR_*`.
 */
export function decodeAuthAnswer(payload: Uint8Array, capabilities: number): AuthAnswer {
  const reader = new Reader('mysql: sign-in answer', 'MYSQL_AUTH', payload);
  const first = reader.uint8('header');
  switch (first) {
    case 0x00:
      return { type: 'ok', ok: decodeOk(Buffer.from(payload), capabilities) };
    case 0xff:
      return { type: 'error', error: decodeErr(payload, capabilities) };
    case switchHeader:
      return { type: 'switch', ...readSwitch(reader) };
    case nextFactorHeader:
      throw reader.fault('UNSUPPORTED', 'asks for another factor, which was not offered');
    case moreHeader:
      return { type: 'more', data: Buffer.from(reader.rest()) };
    default:
      return { type: 'more', data: Buffer.from(payload) };
  }
}

/** Encodes an AuthSwitchRequest; a zero is put behind a scramble of 20 bytes. */
export function encodeAuthSwitch({ plugin, data }: AuthSwitch): Buffer {
  const writer = new Writer().uint8(switchHeader).cstring(plugin).bytes(data);
  return (data.length === SCRAMBLE_BYTES ? writer.uint8(0) : writer).finish();
}

/** Encodes an AuthMoreData packet. */
export function encodeAuthMoreData(data: Uint8Array): Buffer {
  return new Writer().uint8(moreHeader).bytes(data).finish();
}

const moreHeader = 0x01;
const nextFactorHeader = 0x02;
const switchHeader = 0xfe;

function readSwitch(reader: Reader): AuthSwitch {
  // The header alone is the request of servers before 5.5 for their oldest method.
  if (reader.remaining === 0) return { plugin: 'mysql_old_password', data: Buffer.alloc(0) };
  const plugin = reader.cstring('plugin');
  const data = reader.rest();
  const terminated = data.length === SCRAMBLE_BYTES + 1 && data.at(-1) === 0;
  return { plugin, data: Buffer.from(terminated ? data.subarray(0, SCRAMBLE_BYTES) : data) };
}
