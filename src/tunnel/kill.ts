import { ProtocolError } from '../errors.ts';
import { type IncomingStream, STREAM_PURPOSE } from './tunnel.ts';

/**
 * A KILL whose session is not at the agent that was asked: from that agent to its proxies, and from each of them to the other agents. One-way: nobody is told what became
 * of it.
 */
export type KillMessage = {
  /** The running statement, or the session. */
  readonly what: 'query' | 'connection';
  /** The number that the client knows its session by, 32 bits. */
  readonly shownId: number;
  /** Tells this one from others with the same opening, as a copy comes through every proxy. 32 bits. */
  readonly number: number;
  /** The signed opening (src/pki/opening.ts) of the session that asks: whose it is, and that it is there now. */
  readonly opening: Buffer;
};

/** What stands before the session's opening, behind the purpose byte: what, number, id. */
const FIXED_BYTES = 9;
const WHAT = { query: 1, connection: 2 } as const;

/** The opening header of its stream: `0x04 | u8 what | u32 number | u32 shown id | opening of the session`. */
export function encodeKill({ what, shownId, number, opening }: KillMessage): Buffer {
  const fixed = Buffer.allocUnsafe(1 + FIXED_BYTES);
  fixed.writeUInt8(STREAM_PURPOSE.kill, 0);
  fixed.writeUInt8(WHAT[what], 1);
  fixed.writeUInt32BE(number, 2);
  fixed.writeUInt32BE(shownId, 6);
  return Buffer.concat([fixed, opening]);
}

/** Takes such a stream: it is over at once, whatever else its sender would say on it. One that can not be read is refused, and nothing else happens. */
export function takeKill(stream: IncomingStream, onKill: (message: KillMessage) => void): void {
  let message: KillMessage;
  try {
    message = decodeKill(stream.header.subarray(1));
  } catch (error) {
    stream.reject('protocol-error', error instanceof ProtocolError ? error.publicMessage : '');
    return;
  }
  stream.accept().destroy();
  onKill(message);
}

/** Reads what follows the purpose byte; the result shares no memory with it. Throws ProtocolError TUNNEL_KILL. */
export function decodeKill(rest: Buffer): KillMessage {
  if (rest.length <= FIXED_BYTES)
    throw new ProtocolError('TUNNEL_KILL', `kill opening must have more than ${FIXED_BYTES} bytes, got ${rest.length}`);
  const said = rest.readUInt8(0);
  const what = said === WHAT.query ? 'query' : said === WHAT.connection ? 'connection' : undefined;
  if (what === undefined)
    throw new ProtocolError('TUNNEL_KILL', `kill opening must ask for 1 (query) or 2 (connection), got ${said}`);
  const opening = Buffer.from(rest.subarray(FIXED_BYTES));
  return { what, number: rest.readUInt32BE(1), shownId: rest.readUInt32BE(5), opening };
}
