/** Every bound of one tunnel connection. All may be set by the owner; the defaults suit thousands of sessions an agent. */
export type MuxLimits = {
  /** Streams alive at once, both ends' together. */
  readonly maxStreams: number;
  /** Streams that the far end opened and our side has not yet answered, also those it has reset meanwhile. */
  readonly maxPendingOpens: number;
  /** Bytes of an opening header. Both ends must agree: a larger one ends the connection. */
  readonly maxOpenBytes: number;
  /** How far a stream's window may grow from 256 KiB. A session gets at most window / round trip: 4 MiB gives 80 MB/s over 50 ms. */
  readonly maxStreamWindowBytes: number;
  /**
   * The windows of all streams together: what the far end could make this end hold. A stream that would exceed it is reset with `limit`;
   * windows grow only while half of it is free.
   */
  readonly maxTunnelWindowBytes: number;
  /** Control frames (PONG, RST, CREDIT) waiting for a far end that does not read, in bytes; then the connection ends. */
  readonly maxControlBacklogBytes: number;
  /** Streams that the far end opens and resets before they were answered: burst, and how many more each second. Above, the connection ends. */
  readonly abandonedOpensBurst: number;
  readonly abandonedOpensPerSecond: number;
  /** How often a PING is sent. */
  readonly keepAliveMs: number;
  /** Without a single byte for so long the connection is dead. */
  readonly keepAliveTimeoutMs: number;
};

/** A stream's window when it opens. Part of the protocol: both ends start with it. */
export const INITIAL_WINDOW_BYTES = 0x4_0000;

export const DEFAULT_MUX_LIMITS: MuxLimits = {
  maxStreams: 4096,
  maxPendingOpens: 256,
  maxOpenBytes: 16 * 1024,
  maxStreamWindowBytes: 4 * 1024 * 1024,
  maxTunnelWindowBytes: 1024 * 1024 * 1024,
  maxControlBacklogBytes: 1024 * 1024,
  abandonedOpensBurst: 4096,
  abandonedOpensPerSecond: 500,
  keepAliveMs: 15_000,
  keepAliveTimeoutMs: 45_000,
};

/** What tunnels did, counted in place over all connections of their owner; read by metrics. */
export type TunnelCounters = {
  /** Streams alive now. */
  streams: number;
  streamsOpened: number;
  /** Streams that this end refused because of a limit. */
  streamsRefused: number;
  bytesSent: number;
  bytesReceived: number;
  /** How often a stream had bytes to send and no credit. */
  creditStalls: number;
  /** How often a window was made larger. */
  windowsGrown: number;
  /** Connections ended because the far end broke a rule or a limit. */
  violations: number;
};

/** Counters at zero. */
export function newTunnelCounters(): TunnelCounters {
  return {
    streams: 0,
    streamsOpened: 0,
    streamsRefused: 0,
    bytesSent: 0,
    bytesReceived: 0,
    creditStalls: 0,
    windowsGrown: 0,
    violations: 0,
  };
}
