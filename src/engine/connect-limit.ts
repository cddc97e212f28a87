import { ProtocolError, TesseraError, UpstreamError } from '../errors.ts';

/** `promise`, unless `signal` aborts first: then its reason. A later failure of `promise` is nobody's. */
export async function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    promise.catch(() => {});
  }
}

/**
 * One class of error for all that can go wrong behind TLS; what is ours already, and DatabaseRefusal, passes. `hint`: what an operator looks at when the database just closes, as it does with
 * TLS 1.3 when it refuses our certificate.
 */
export function connectError(
  error: unknown,
  limit: AbortSignal,
  { timeoutMs, hint }: { readonly timeoutMs: number; readonly hint: string },
): Error {
  if (limit.aborted) {
    const message = `the database did not answer within connectTimeoutMs ${timeoutMs}`;
    return new UpstreamError('DATABASE_TIMEOUT', message, {
      cause: error,
      retryable: true,
      publicMessage: 'the database did not answer in time',
    });
  }
  if (error instanceof ProtocolError && error.code === 'WIRE_CLOSED') {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    return new UpstreamError('DATABASE_CLOSED', `the database closed the connection during sign-in${cause}; ${hint}`, {
      cause: error,
      publicMessage: 'the database closed the connection during sign-in',
    });
  }
  if (error instanceof TesseraError) return error;
  return new UpstreamError('DATABASE_SIGN_IN', 'signing in to the database failed', { cause: error });
}
