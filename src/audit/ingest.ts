import { promisify } from 'node:util';
import { constants, zstdDecompress } from 'node:zlib';
import { ProtocolError } from '../errors.ts';
import type { HostRole } from '../resource/identity.ts';
import { breathe } from './breathe.ts';
import { checkLine, type LineContext, type StoredEvent } from './stored-event.ts';

/** What a host may send in one batch. */
export type IngestLimits = {
  /** As received. Default 4 MiB. */
  readonly maxCompressedBytes: number;
  /** Decompressed. Default 8 MiB. */
  readonly maxBatchBytes: number;
  /** One line. Default 1 MiB. */
  readonly maxEventBytes: number;
  /** Default 20,000. */
  readonly maxBatchEvents: number;
  /** See `LineContext`. */
  readonly maxAgeMs: number;
  readonly maxAheadMs: number;
};

/** The defaults of `IngestLimits`. */
export const INGEST_DEFAULTS: IngestLimits = {
  maxCompressedBytes: 4 * 1024 ** 2,
  maxBatchBytes: 8 * 1024 ** 2,
  maxEventBytes: 1024 ** 2,
  maxBatchEvents: 20_000,
  maxAgeMs: 400 * 24 * 3600 * 1000,
  maxAheadMs: 24 * 3600 * 1000,
};

/** Of the verified certificate of who calls. */
export type IngestCaller = { readonly hostId: string; readonly role: HostRole };

/**
 * A batch from outside into checked events, all or none; bounded in memory whatever the frame claims, and in time on the event loop. Throws ProtocolError
 * (`AUDIT_BATCH_INVALID`, `AUDIT_EVENT_INVALID` with the line's number): sending it again can not help.
 */
export async function decodeBatch(
  zstd: Uint8Array,
  context: Omit<LineContext, 'maxAgeMs' | 'maxAheadMs'>,
  limits: IngestLimits,
): Promise<StoredEvent[]> {
  if (zstd.length > limits.maxCompressedBytes)
    throw invalid(`${zstd.length} bytes exceed maxCompressedBytes ${limits.maxCompressedBytes}`);
  const bytes = await inflate(zstd, limits.maxBatchBytes);
  if (bytes.length === 0) return [];
  if (bytes.at(-1) !== NEWLINE) throw invalid('the last line does not end');
  const lineContext: LineContext = { ...context, maxAgeMs: limits.maxAgeMs, maxAheadMs: limits.maxAheadMs };
  const events: StoredEvent[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(NEWLINE, start);
    if (events.length >= limits.maxBatchEvents) throw invalid(`more than maxBatchEvents ${limits.maxBatchEvents}`);
    if (end - start > limits.maxEventBytes)
      throw invalid(`line ${events.length + 1} of ${end - start} bytes exceeds maxEventBytes ${limits.maxEventBytes}`);
    events.push(checkNumbered(bytes.toString('utf8', start, end), events.length + 1, lineContext));
    start = end + 1;
    if (events.length % EVENTS_PER_SLICE === 0) await breathe();
  }
  return events;
}

function checkNumbered(line: string, number: number, context: LineContext): StoredEvent {
  try {
    return checkLine(line, context);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(error.code, `line ${number}: ${error.message}`);
  }
}

async function inflate(zstd: Uint8Array, maxBytes: number): Promise<Buffer> {
  try {
    return await decompress(zstd, {
      maxOutputLength: maxBytes,
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw invalid(tooLarge ? `decompressed it exceeds maxBatchBytes ${maxBytes}` : 'it is not zstd');
  }
}

function invalid(what: string): ProtocolError {
  return new ProtocolError('AUDIT_BATCH_INVALID', `audit batch: ${what}`);
}

const decompress = promisify(zstdDecompress);
const NEWLINE = 0x0a;
/** 8 MiB: what zstd's ordinary levels use at most; a frame may ask for 2 GiB. */
const MAX_WINDOW_LOG = 23;
/** About five milliseconds of checking. */
const EVENTS_PER_SLICE = 500;
