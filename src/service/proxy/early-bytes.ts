import type { Channel, Receiver } from '../../wire/channel.ts';
import type { TunnelStream } from '../../tunnel/tunnel.ts';

/**
 * What a client sends before an agent took its session: passed on at once, so that nothing waits for the agent's answer, and kept, so that the next agent can
 * have it too. Stops reading the client at `maxReplayBytes`; the kept bytes stay unconsumed until `settle`. A client that waits for the server to speak first sends none.
 */
export class EarlyBytes {
  readonly #client: Channel;
  readonly #maxReplayBytes: number;
  readonly #onFirst: (bytes: Buffer) => boolean;
  readonly #onGone: () => void;
  #kept: Buffer[] = [];
  #bytes = 0;
  #stream: TunnelStream | undefined;

  /** `onFirst` sees the first piece and says whether it belongs to a session. */
  constructor(
    client: Channel,
    options: {
      readonly maxReplayBytes: number;
      readonly onFirst: (bytes: Buffer) => boolean;
      readonly onGone: () => void;
    },
  ) {
    this.#client = client;
    this.#maxReplayBytes = options.maxReplayBytes;
    this.#onFirst = options.onFirst;
    this.#onGone = options.onGone;
    client.receive({ data: (chunk) => this.#onData(chunk), close: () => this.#onGone() });
  }

  /** Sends what was kept to another stream, and from now on what comes. */
  sendTo(stream: TunnelStream): void {
    this.#stream = stream;
    for (const bytes of this.#kept) stream.write(bytes);
  }

  /** Ends the early time: the client's bytes count as consumed, and the next receiver goes on. Returns how many there were. */
  settle(): number {
    this.#client.receive(undefined);
    this.#client.consumed(this.#bytes);
    this.#kept = [];
    this.#stream = undefined;
    return this.#bytes;
  }

  /** Ends the early time as if nothing had been read: the next receiver of the channel returned gets the kept bytes first, which are unconsumed still. */
  giveBack(): Channel {
    this.#client.receive(undefined);
    const kept = this.#kept;
    this.#kept = [];
    this.#stream = undefined;
    return kept.length === 0 ? this.#client : new Unread(this.#client, kept);
  }

  #onData(chunk: Buffer): void {
    const bytes = Buffer.from(chunk);
    if (this.#bytes === 0 && !this.#onFirst(bytes)) return;
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
    this.#stream?.write(bytes);
    if (this.#bytes >= this.#maxReplayBytes) this.#client.receive(undefined);
  }
}

/** A channel with bytes put back in front of it. */
class Unread implements Channel {
  readonly #channel: Channel;
  readonly #kept: Buffer[];
  #receiver: Receiver | undefined;

  constructor(channel: Channel, kept: Buffer[]) {
    this.#channel = channel;
    this.#kept = kept;
  }

  get congested(): boolean {
    return this.#channel.congested;
  }
  write(bytes: Uint8Array): boolean {
    return this.#channel.write(bytes);
  }
  end(): void {
    this.#channel.end();
  }
  destroy(reason?: Error): void {
    this.#channel.destroy(reason);
  }
  consumed(count: number): void {
    this.#channel.consumed(count);
  }

  receive(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
    try {
      while (receiver !== undefined && this.#receiver === receiver) {
        const chunk = this.#kept.shift();
        if (chunk === undefined) break;
        receiver.data(chunk);
      }
    } catch (error) {
      this.#channel.destroy(error instanceof Error ? error : new Error(String(error)));
    }
    // A receiver that was replaced in one of its calls is not the channel's any more.
    if (this.#receiver === receiver) this.#channel.receive(receiver);
  }
}
