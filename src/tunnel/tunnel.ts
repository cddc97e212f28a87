import type { Channel } from '../wire/channel.ts';

/**
 * The tunnel: many streams over one TLS connection that an agent dialled. Pure frames in frame.ts, the multiplexer in mux.ts, the
 * proxy's end (which agents are here, what they serve) in hub.ts, the agent's end (dial every proxy, reconnect, drain) in dialer.ts.
 */

/** One stream of a tunnel: a Channel with an opening header and an explicit yes or no of the far end. */
export interface TunnelStream extends Channel {
  /** Resolves when the far end accepted; rejects with UpstreamError carrying the far end's reason. Data may be written before. */
  readonly accepted: Promise<void>;
}

/** A stream that the far end opens: answer with `accept` or `reject`, once. Data that came before is kept, bounded by the window. */
export interface IncomingStream {
  /** The opening header's bytes, a copy. At most `maxOpenBytes` (default 16 KiB). */
  readonly header: Buffer;
  accept(): TunnelStream;
  reject(reason: RejectReason, message: string): void;
}

export type RejectReason = 'retry-elsewhere' | 'refused' | 'limit' | 'protocol-error';

/** The first byte of every opening header: what the stream is for. The rest is the purpose's own. */
export const STREAM_PURPOSE = {
  /** Proxy to agent: a client's session. Rest: the signed session opening (src/pki/opening.ts). */
  session: 0x01,
  /** Proxy to agent: a cancel request. Rest: protocol name, zero, the raw packet. One-way. */
  cancel: 0x02,
  /** Agent to proxy: announcements, newline-delimited JSON (`Announcement`), each replaces the last. */
  announce: 0x03,
  /** Agent to proxy, and proxy to the other agents: a KILL of a session that the agent does not have (src/tunnel/kill.ts). At most one answer; who does not know it resets the stream. */
  kill: 0x04,
} as const;

/** What an agent tells each proxy about itself, at connect and at each change. Routing uses this, so it works while Auth is away. */
export type Announcement = {
  readonly databases: readonly {
    readonly name: string;
    readonly protocol: string;
    readonly health: 'healthy' | 'unhealthy' | 'unknown';
    /** For protocols whose server speaks first: what a greeting may promise before a database is chosen. Absent: not known. */
    readonly server?: AnnouncedServer;
  }[];
  /** Twelve bits that the agent puts into the cancel keys it hands out, so any proxy finds the agent. */
  readonly cancelTag: number;
  /** True when the agent is shutting down: no new sessions. */
  readonly draining: boolean;
};

/** What a database's server told the agent of itself. At least one of the two is there. */
export type AnnouncedServer = {
  /** 1 to 128 printable ASCII characters. */
  readonly serverVersion?: string;
  /** 16 lower-case hexadecimal digits, the engine's own notation. */
  readonly capabilities?: string;
};
