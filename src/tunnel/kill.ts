import { ProtocolError } from '../errors.ts';
import type { Clock } from '../telemetry/clock.ts';
import { type IncomingStream, STREAM_PURPOSE, type TunnelStream } from './tunnel.ts';

/**
 * A KILL whose session is not at the agent that was asked: from that agent to its proxies, and from each of them to the other agents. The agent that has the session may answer, once; an end that
 * knows of no answers, as older ones, resets the stream, which is no answer either.
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

/**
 * What the agent of the session says. `done`: all is done that will be. `yours`: it can not sign in to the database any more, so who asks is to stop the database's own connection of that number (1 to
 * 2^32-1). Nothing proves it: it is as good as the agents of that database and the proxies in between.
 */
export type KillAnswer = { readonly type: 'done' } | { readonly type: 'yours'; readonly connectionId: number };

/** What stands before the session's opening, behind the purpose byte: what, number, id. */
const FIXED_BYTES = 9;
const WHAT = { query: 1, connection: 2 } as const;
const ANSWER_BYTES = 5;
const ANSWER = { done: 1, yours: 2 } as const;
/** How long a proxy waits for its agents to answer; an agent waits longer, so that what a proxy heard in time is not lost. */
export const PROXY_KILL_ANSWER_MS = 3000;
export const AGENT_KILL_ANSWER_MS = 4000;
/** How long an answered stream may stay when its sender does not end it. */
const KILL_LINGER_MS = 4000;

/** The opening header of its stream: `0x04 | u8 what | u32 number | u32 shown id | opening of the session`. */
export function encodeKill({ what, shownId, number, opening }: KillMessage): Buffer {
  const fixed = Buffer.allocUnsafe(1 + FIXED_BYTES);
  fixed.writeUInt8(STREAM_PURPOSE.kill, 0);
  fixed.writeUInt8(WHAT[what], 1);
  fixed.writeUInt32BE(number, 2);
  fixed.writeUInt32BE(shownId, 6);
  return Buffer.concat([fixed, opening]);
}

/**
 * Takes such a stream and sends what `onKill` resolves with; without an answer the stream is over, and so it is when its sender says anything more on it. One that can not be read is refused, and nothing
 * else happens. The time that `onKill` takes is its own to bound.
 */
export function takeKill(stream: IncomingStream, clock: Clock, onKill: OnKill): void {
  let message: KillMessage;
  try {
    message = decodeKill(stream.header.subarray(1));
  } catch (error) {
    stream.reject('protocol-error', error instanceof ProtocolError ? error.publicMessage : '');
    return;
  }
  const answering = stream.accept();
  const linger = clock.after(AGENT_KILL_ANSWER_MS + KILL_LINGER_MS, () => answering.destroy(), { background: true });
  answering.receive({ data: () => answering.destroy(), close: () => linger.cancel() });
  void answerKill(answering, onKill(message));
}

/** Undefined: no answer. Never rejects. */
export type OnKill = (message: KillMessage) => Promise<KillAnswer | undefined> | undefined;

async function answerKill(stream: TunnelStream, answer: Promise<KillAnswer | undefined> | undefined): Promise<void> {
  const said = answer === undefined ? undefined : await answer;
  if (said === undefined) {
    stream.destroy();
    return;
  }
  stream.write(encodeKillAnswer(said));
  stream.end();
}

/** Waits at most `waitMs` for the one answer to a KILL whose opening header was sent; what is no answer, or more than one, is none. Never rejects; the stream is over then. */
export function killAnswered(stream: TunnelStream, clock: Clock, waitMs: number): Promise<KillAnswer | undefined> {
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    const late = clock.after(waitMs, () => stream.destroy(), { background: true });
    stream.receive({
      data: (chunk) => {
        heard = Buffer.concat([heard, chunk.subarray(0, ANSWER_BYTES + 1)]);
        if (heard.length < ANSWER_BYTES) return;
        resolve(decodeKillAnswer(heard));
        stream.destroy();
      },
      end: () => stream.destroy(),
      close: () => {
        late.cancel();
        resolve(undefined);
      },
    });
    stream.end();
  });
}

/** The first answer of several; undefined when nobody has one. None may reject. */
export function firstKillAnswer(answers: readonly Promise<KillAnswer | undefined>[]): Promise<KillAnswer | undefined> {
  const said = answers.map(async (answer) => {
    const one = await answer;
    if (one === undefined) throw noAnswer;
    return one;
  });
  return Promise.any(said).catch(() => undefined);
}

const noAnswer = new Error('no answer');

/** `u8 kind (1 done, 2 yours) | u32 connection id, 0 with done`. */
function encodeKillAnswer(answer: KillAnswer): Buffer {
  const bytes = Buffer.alloc(ANSWER_BYTES);
  bytes.writeUInt8(ANSWER[answer.type], 0);
  if (answer.type === 'yours') bytes.writeUInt32BE(answer.connectionId, 1);
  return bytes;
}

/** Undefined: not exactly one answer. */
function decodeKillAnswer(bytes: Buffer): KillAnswer | undefined {
  if (bytes.length !== ANSWER_BYTES) return undefined;
  const kind = bytes.readUInt8(0);
  const connectionId = bytes.readUInt32BE(1);
  if (kind === ANSWER.done) return connectionId === 0 ? { type: 'done' } : undefined;
  return kind === ANSWER.yours && connectionId !== 0 ? { type: 'yours', connectionId } : undefined;
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
