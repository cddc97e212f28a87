import { ProtocolError } from '../errors.ts';
import { STREAM_PURPOSE } from './tunnel.ts';

/** A cancel request on its way from a proxy to an agent. `packet` is the client's raw packet, at most 1 KiB. */
export type CancelMessage = { readonly protocol: string; readonly packet: Buffer };

/** The largest cancel packet: PostgreSQL's is at most 268 bytes. */
const MAX_CANCEL_PACKET_BYTES = 1024;

/** The opening header of a cancel stream: `0x02 | protocol | 0x00 | packet`. */
export function encodeCancel(message: CancelMessage): Buffer {
  return Buffer.concat([
    Buffer.from([STREAM_PURPOSE.cancel]),
    Buffer.from(`${message.protocol}\0`, 'latin1'),
    message.packet,
  ]);
}

/** Reads what follows the purpose byte. Throws ProtocolError TUNNEL_CANCEL. */
export function decodeCancel(rest: Buffer): CancelMessage {
  const zero = rest.indexOf(0);
  const protocol = rest.toString('latin1', 0, Math.max(zero, 0));
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(protocol))
    throw new ProtocolError('TUNNEL_CANCEL', 'cancel opening must begin with a protocol name and a zero byte');
  const packet = Buffer.from(rest.subarray(zero + 1));
  if (packet.length === 0 || packet.length > MAX_CANCEL_PACKET_BYTES) {
    throw new ProtocolError(
      'TUNNEL_CANCEL',
      `cancel packet must have 1 to ${MAX_CANCEL_PACKET_BYTES} bytes, got ${packet.length}`,
    );
  }
  return { protocol, packet };
}
