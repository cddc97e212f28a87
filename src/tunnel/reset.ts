import { UpstreamError } from '../errors.ts';
import { RESET_NUMBERS } from './reset.table.ts';
import type { RejectReason } from './tunnel.ts';

/** Why a stream ended early: a reason the far end gave, `closed` (the far end gave it up) or `lost` (the connection under it is gone). */
export type ResetReason = RejectReason | 'closed' | 'lost';

/** What `TunnelStream.accepted` rejects with, and what a receiver's `close` gets when the far end or the connection ended the stream. */
export class StreamResetError extends UpstreamError {
  readonly reason: ResetReason;

  /** `text` is the far end's own sentence: for the log, it never crosses a wire to a client. */
  constructor(reason: ResetReason, text: string, cause?: unknown) {
    super(
      `TUNNEL_${reason.toUpperCase().replaceAll('-', '_')}`,
      `tunnel stream was ended (${reason})${text === '' ? '' : `: ${text}`}`,
      {
        publicMessage: 'the connection to the database service was ended',
        retryable: reason === 'retry-elsewhere' || reason === 'limit' || reason === 'lost',
        ...(cause === undefined ? {} : { cause }),
      },
    );
    this.reason = reason;
  }
}

/** The number of a reason in a RST frame. */
export function resetNumber(reason: RejectReason | 'closed'): number {
  return RESET_NUMBERS[reason];
}

/** Reads a RST frame's body (1 to 513 bytes). An unknown number reads as `closed`; control characters of the text become spaces. */
export function decodeReset(body: Buffer): StreamResetError {
  const number = body[0];
  const known = (Object.keys(RESET_NUMBERS) as (keyof typeof RESET_NUMBERS)[]).find(
    (name) => RESET_NUMBERS[name] === number,
  );
  return new StreamResetError(
    known ?? 'closed',
    body.toString('utf8', 1).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' '),
  );
}
