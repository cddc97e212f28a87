/** A live session between two in-memory ends, for tests of relays. */
import type { AccessRequest, DatabaseConnection, Refusal, RelaySession } from '../../src/engine/engine.ts';
import { ManualClock } from '../../src/telemetry/manual-clock.ts';
import { channelPair, type ChannelPairOptions, type MemoryChannel } from './channel.ts';
import { MemoryRecorder, openPolicy, sessionLimits } from './engine.ts';

/** Collects what arrives at one end; consumes it unless told to be slow. */
export class Peer {
  bytes = Buffer.alloc(0);
  closed = false;
  /** Bytes that came and are not consumed; `read` consumes them. */
  unread = 0;
  slow = false;
  readonly channel: MemoryChannel;
  onData: ((chunk: Buffer) => void) | undefined;

  constructor(channel: MemoryChannel) {
    this.channel = channel;
    channel.receive({
      data: (chunk) => {
        this.bytes = Buffer.concat([this.bytes, chunk]);
        this.unread += chunk.length;
        if (!this.slow) this.read();
        this.onData?.(chunk);
      },
      end: () => {
        this.closed = true;
      },
      close: () => {
        this.closed = true;
      },
    });
  }

  send(bytes: Buffer): void {
    this.channel.write(bytes);
  }

  read(): void {
    const count = this.unread;
    this.unread = 0;
    this.channel.consumed(count);
  }
}

export type LiveSession = {
  readonly session: RelaySession;
  readonly trace: string[];
  readonly clock: ManualClock;
  readonly recorder: MemoryRecorder;
  readonly client: Peer;
  readonly clientNear: MemoryChannel;
  readonly database: Peer;
  readonly databaseNear: MemoryChannel;
  /** How often the running statement was to be stopped. */
  cancelled(): number;
  end(refusal: Refusal): void;
};

/** Everything that a relay gets; the far ends are in the test's hands. `over` wins. */
export function liveSession(
  of: {
    readonly request?: Partial<AccessRequest>;
    readonly database?: Partial<DatabaseConnection>;
    readonly channels?: ChannelPairOptions;
    /** Default: as `channels`. */
    readonly databaseChannels?: ChannelPairOptions;
    readonly over?: Partial<RelaySession>;
  } = {},
): LiveSession {
  const trace: string[] = [];
  const clock = new ManualClock();
  const recorder = new MemoryRecorder(trace);
  const [clientFar, clientNear] = channelPair(of.channels);
  const [databaseNear, databaseFar] = channelPair(of.databaseChannels ?? of.channels);
  const ending = new AbortController();
  let cancelled = 0;
  const session: RelaySession = {
    client: clientNear,
    database: {
      channel: databaseNear,
      backendId: 77,
      details: undefined,
      cancel: () => {
        cancelled += 1;
        return Promise.resolve();
      },
      ...of.database,
    },
    request: {
      databaseUser: 'u',
      databaseName: 'd',
      replication: 'none',
      parameters: {},
      details: undefined,
      ...of.request,
    },
    ...openPolicy(),
    recorder,
    signal: ending.signal,
    limits: sessionLimits,
    counters: { bytesFromClient: 0, bytesFromDatabase: 0, statements: 0, lastActivityMs: 0, running: 0 },
    clock,
    ...of.over,
  };
  return {
    session,
    trace,
    clock,
    recorder,
    client: new Peer(clientFar),
    clientNear,
    database: new Peer(databaseFar),
    databaseNear,
    cancelled: () => cancelled,
    end: (refusal) => ending.abort(refusal),
  };
}

/** Lets everything that is under way in memory arrive. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
}
