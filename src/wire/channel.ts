/**
 * A two-way byte stream with explicit flow control: what a tunnel stream and a socket have in common, and all that an engine or a
 * relay knows of the network. Raw callbacks, no `Duplex`: one object a connection, nothing allocated per chunk.
 */
export interface Channel {
  /**
   * Sends bytes. The channel owns them until they are sent: the caller must not change them, and they may be a view of a larger
   * buffer. Returns false when the caller should stop until `receiver.drain`; the bytes are accepted all the same.
   * After `end` or `destroy` a write is dropped and returns true.
   */
  write(bytes: Uint8Array): boolean;
  /** No more bytes will be written; what is queued is sent first. The other direction stays open. */
  end(): void;
  /** Ends both directions at once; queued bytes may be lost. The receiver's `close` follows, once. */
  destroy(reason?: Error): void;
  /**
   * Installs the one receiver and starts the flow. Bytes that came before are delivered during the call (so is an early end).
   * A later call replaces the receiver; undefined stops delivery (bytes are kept, bounded by the window).
   * A later receiver is told an `end` or `close` that already happened, so a handshake's reader can hand over at any time.
   */
  receive(receiver: Receiver | undefined): void;
  /**
   * Tells that `count` received bytes were passed on or thrown away, so the peer may send as many more. A channel never holds more
   * than its window (default 256 KiB) of unconsumed bytes: who does not call this stops the peer, and only this peer.
   */
  consumed(count: number): void;
  /** True when a write now would return false. */
  readonly congested: boolean;
}

/** Called synchronously as bytes arrive. A throw in a callback destroys the channel with that error. */
export interface Receiver {
  /** `chunk` is a view that lives only until the bytes are passed on: copy what you keep (a kept slice pins its 64 KiB). */
  data(chunk: Buffer): void;
  /** The last write that returned false has drained. */
  drain?(): void;
  /** The peer sends no more. Not called after `close`. */
  end?(): void;
  /** Called exactly once, last. `error` is absent for an orderly close. */
  close(error?: Error): void;
}
