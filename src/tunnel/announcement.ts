import { ProtocolError } from '../errors.ts';
import type { Receiver } from '../wire/channel.ts';
import type { Announcement } from './tunnel.ts';

/** Bounds of what an agent may tell about itself. */
export type AnnouncementLimits = {
  /** Of one line, newline included. 1 MiB holds some 10,000 databases. */
  readonly maxAnnouncementBytes: number;
  readonly maxAnnouncedDatabases: number;
};
export const DEFAULT_ANNOUNCEMENT_LIMITS: AnnouncementLimits = {
  maxAnnouncementBytes: 1024 * 1024,
  maxAnnouncedDatabases: 10_000,
};

/** One announcement as a line of JSON with its newline. */
export function encodeAnnouncement(announcement: Announcement): Buffer {
  return Buffer.from(`${JSON.stringify(announcement)}\n`, 'utf8');
}

/** Reads one line (without newline). Every field must be there and no other; names are at most 255 characters and unique. Throws ProtocolError TUNNEL_ANNOUNCEMENT. */
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
  const { name, protocol, health } = fields(entry, ['name', 'protocol', 'health']);
  if (typeof name !== 'string' || name === '' || name.length > 255 || names.has(name))
    throw wrong('database name', 'a unique text of 1 to 255 characters');
  if (typeof protocol !== 'string' || !/^[a-z][a-z0-9-]{0,31}$/.test(protocol))
    throw wrong('database protocol', 'a lower-case word');
  if (health !== 'healthy' && health !== 'unhealthy' && health !== 'unknown')
    throw wrong('database health', 'healthy, unhealthy or unknown');
  names.add(name);
  return { name, protocol, health };
}

function fields<K extends string>(value: unknown, keys: readonly K[]): Record<K, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong('value', `an object of ${keys.join(', ')}`);
  const entries = Object.entries(value);
  if (entries.length !== keys.length || !keys.every((key) => Object.hasOwn(value, key)))
    throw wrong('object', `exactly ${keys.join(', ')}`);
  return Object.fromEntries(entries) as Record<K, unknown>;
}

function wrong(what: string, expected: string): ProtocolError {
  return new ProtocolError('TUNNEL_ANNOUNCEMENT', `announcement ${what} must be ${expected}`);
}
