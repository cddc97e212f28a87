import type { Channel } from '../../wire/channel.ts';
import type { TunnelStream } from '../../tunnel/tunnel.ts';

/**
 * What a client sends before an agent took its session: passed on at once, so that nothing waits for the agent's answer, and kept, so that the next agent can
 * have it too. Stops reading the client at `maxReplayBytes`; the kept bytes stay unconsumed until `settle`.
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

  get bytes(): number {
    return this.#bytes;
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

  #onData(chunk: Buffer): void {
    const bytes = Buffer.from(chunk);
    if (this.#bytes === 0 && !this.#onFirst(bytes)) return;
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
    this.#stream?.write(bytes);
    if (this.#bytes >= this.#maxReplayBytes) this.#client.receive(undefined);
  }
}
