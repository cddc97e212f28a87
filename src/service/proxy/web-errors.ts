import { BugError, LimitError, LoginError, ProtocolError, type TesseraError, UnsupportedError } from '../../errors.ts';
import type { Exchange } from './web-exchange.ts';

/** How a refusal is said to a browser: the HTTP status and Connect's own name of the code. */
export type Fault = { readonly status: number; readonly connect: string };

/** By the code where it says more than the class does. */
export function faultOf(error: TesseraError): Fault {
  const known = FAULTS[error.code];
  if (known !== undefined) return known;
  if (error instanceof BugError) return { status: 500, connect: 'internal' };
  if (error instanceof LoginError) return { status: 403, connect: 'permission_denied' };
  if (error instanceof LimitError) return { status: 429, connect: 'resource_exhausted' };
  if (error instanceof ProtocolError) return { status: 400, connect: 'invalid_argument' };
  if (error instanceof UnsupportedError) return { status: 501, connect: 'unimplemented' };
  return { status: 503, connect: 'unavailable' };
}

/** Answers as Connect's clients understand it, with our code beside. */
export function answerError(exchange: Exchange, error: TesseraError): void {
  const { status, connect } = faultOf(error);
  exchange.answer(
    status,
    { 'Content-Type': 'application/json', 'Tessera-Code': error.code, ...(status === 405 ? { Allow: 'POST' } : {}) },
    JSON.stringify({ code: connect, message: error.publicMessage }),
  );
}

/** The last envelope of a stream that failed: flag 2, length, JSON (Connect protocol, "EndStreamResponse"). */
export function endStreamError(error: TesseraError): Buffer {
  const body = Buffer.from(
    JSON.stringify({
      error: { code: faultOf(error).connect, message: error.publicMessage },
      metadata: { 'tessera-code': [error.code] },
    }),
  );
  const head = Buffer.alloc(5);
  head[0] = END_STREAM;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** The flag of a stream's last envelope. */
export const END_STREAM = 2;

const FAULTS: { readonly [code: string]: Fault } = {
  WEB_METHOD: { status: 405, connect: 'unknown' },
  WEB_CONTENT_TYPE: { status: 415, connect: 'unknown' },
  WEB_WRONG_HOST: { status: 421, connect: 'permission_denied' },
  WEB_REQUEST_TOO_LARGE: { status: 413, connect: 'resource_exhausted' },
  WEB_REQUEST_SLOW: { status: 408, connect: 'deadline_exceeded' },
  WEB_UNKNOWN_METHOD: { status: 404, connect: 'unimplemented' },
  WEB_CALL_TIMEOUT: { status: 504, connect: 'deadline_exceeded' },
  WEB_ANSWER_INVALID: { status: 502, connect: 'internal' },
  WEB_ANSWER_TOO_LARGE: { status: 502, connect: 'resource_exhausted' },
  NOT_SIGNED_IN: { status: 401, connect: 'unauthenticated' },
};
