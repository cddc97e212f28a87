import { ProtocolError } from '../errors.ts';
import type { Receiver } from '../wire/channel.ts';
import type { AnnouncedServer, Announcement } from './tunnel.ts';

/** Bounds of what an agent may tell about itself. */
export type AnnouncementLimits = {
  /** Of one line, newline included. 4 MiB hold 10,000 databases with long names and what is known of their servers. */
  readonly maxAnnouncementBytes: number;
  readonly maxAnnouncedDatabases: number;
};
export const DEFAULT_ANNOUNCEMENT_LIMITS: AnnouncementLimits = {
  maxAnnouncementBytes: 4 * 1024 * 1024,
  maxAnnouncedDatabases: 10_000,
};

/** One announcement as a line of JSON with its newline. */
export function encodeAnnouncement(announcement: Announcement): Buffer {
  return Buffer.from(`${JSON.stringify(announcement)}\n`, 'utf8');
}

/** What of a server's own words may be announced; undefined: nothing. The server is not ours: what is too long or not printable is left out. */
export function announceable({ serverVersion, capabilities }: AnnouncedServer): AnnouncedServer | undefined {
  const known = {
    ...(isVersion(serverVersion) ? { serverVersion } : {}),
    ...(isCapabilities(capabilities) ? { capabilities } : {}),
  };
  return Object.keys(known).length === 0 ? undefined : known;
}

/**
 * Reads one line (without newline). Every field must be there and no other, but for `server`, which may be absent; names are at most 255 characters and unique.
 * Throws ProtocolError TUNNEL_ANNOUNCEMENT.
 */
export function parseAnnouncement(line: string, limits: AnnouncementLimits): Announcement {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new ProtocolError('TUNNEL_ANNOUNCEMENT', 'announcement must be JSON', { cause: error });
  }
  const { databases, cancelTag, draining } = fields(value, ['databases', 'cancelTag', 'draining']);
  if (typeof cancelTag !== 'number' || !Number.isInteger(cancelTag) || cancelTag < 0 || cancelTag > 0xfff)
    throw wrong('cancelTag', '0 to 4095');
  if (typeof draining !== 'boolean') throw wrong('draining', 'true or false');
  if (!Array.isArray(databases) || databases.length > limits.maxAnnouncedDatabases) {
    throw wrong('databases', `a list of at most maxAnnouncedDatabases ${limits.maxAnnouncedDatabases}`);
  }
  const names = new Set<string>();
  const parsed = databases.map((entry: unknown) => parseDatabase(entry, names));
  return { databases: parsed, cancelTag, draining };
}

/** Reads announcements from a stream: newline-delimited, each bounded; the callback gets each one. Errors destroy the stream through the receiver's throw. */
export class AnnouncementReader implements Receiver {
  readonly #limits: AnnouncementLimits;
  readonly #onAnnouncement: (announcement: Announcement) => void;
  readonly #onConsumed: (count: number) => void;
  readonly #onClose: (error: Error | undefined) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(options: {
    readonly limits: AnnouncementLimits;
    readonly onAnnouncement: (announcement: Announcement) => void;
    readonly onConsumed: (count: number) => void;
    readonly onClose: (error: Error | undefined) => void;
  }) {
    this.#limits = options.limits;
    this.#onAnnouncement = options.onAnnouncement;
    this.#onConsumed = options.onConsumed;
    this.#onClose = options.onClose;
  }

  data(chunk: Buffer): void {
    let start = 0;
    for (let newline = chunk.indexOf(0x0a); newline >= 0; newline = chunk.indexOf(0x0a, start)) {
      this.#keep(chunk.subarray(start, newline + 1));
      const line = Buffer.concat(this.#parts, this.#bytes).toString('utf8', 0, this.#bytes - 1);
      this.#parts = [];
      this.#bytes = 0;
      start = newline + 1;
      this.#onAnnouncement(parseAnnouncement(line, this.#limits));
    }
    if (start < chunk.length) this.#keep(Buffer.from(chunk.subarray(start)));
    this.#onConsumed(chunk.length);
  }

  close(error?: Error): void {
    this.#parts = [];
    this.#onClose(error);
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#limits.maxAnnouncementBytes)
      throw wrong('line', `at most maxAnnouncementBytes ${this.#limits.maxAnnouncementBytes}`);
    this.#parts.push(part);
  }
}

function parseDatabase(entry: unknown, names: Set<string>): Announcement['databases'][number] {
  const { name, protocol, health, server } = fields(entry, ['name', 'protocol', 'health'], ['server']);
  if (typeof name !== 'string' || name === '' || name.length > 255 || names.has(name))
    throw wrong('database name', 'a unique text of 1 to 255 characters');
  if (typeof protocol !== 'string' || !/^[a-z][a-z0-9-]{0,31}$/.test(protocol))
    throw wrong('database protocol', 'a lower-case word');
  if (health !== 'healthy' && health !== 'unhealthy' && health !== 'unknown')
    throw wrong('database health', 'healthy, unhealthy or unknown');
  names.add(name);
  return { name, protocol, health, ...(server === undefined ? {} : { server: parseServer(server) }) };
}

/** An agent may lie, and what it says here is told to strangers. */
function parseServer(value: unknown): AnnouncedServer {
  const { serverVersion, capabilities } = fields(value, [], ['serverVersion', 'capabilities']);
  if (serverVersion !== undefined && !isVersion(serverVersion))
    throw wrong('server version', '1 to 128 printable ASCII characters');
  if (capabilities !== undefined && !isCapabilities(capabilities))
    throw wrong('server capabilities', '16 lower-case hexadecimal digits');
  if (serverVersion === undefined && capabilities === undefined) throw wrong('server', 'absent or not empty');
  return {
    ...(serverVersion === undefined ? {} : { serverVersion }),
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

function isVersion(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]{1,128}$/.test(value);
}

function isCapabilities(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value);
}

function fields<K extends string, O extends string = never>(
  value: unknown,
  keys: readonly K[],
  others: readonly O[] = [],
): Record<K, unknown> & Partial<Record<O, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong('value', `an object of ${keys.join(', ')}`);
  const known: readonly string[] = [...keys, ...others];
  const found = Object.keys(value);
  if (!keys.every((key) => Object.hasOwn(value, key)) || !found.every((key) => known.includes(key)))
    throw wrong('object', `exactly ${known.join(', ')}`);
  return Object.fromEntries(Object.entries(value)) as Record<K, unknown> & Partial<Record<O, unknown>>;
}

function wrong(what: string, expected: string): ProtocolError {
  return new ProtocolError('TUNNEL_ANNOUNCEMENT', `announcement ${what} must be ${expected}`);
}
