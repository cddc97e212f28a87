import { isIPv4 } from 'node:net';
import { LimitError, UpstreamError } from '../errors.ts';

/** HTTP as providers are asked: every answer within a time and a size, no redirect followed, https unless it stays on this machine. */

export type FetchLimits = {
  /** maxProviderAnswerBytes, after decompression. */
  readonly maxBytes: number;
  /** providerTimeoutMs, from the request to the last byte. */
  readonly timeoutMs: number;
};

/** A provider's answer is at most 1 MiB, within 10 s. */
export const PROVIDER_LIMITS: FetchLimits = { maxBytes: 1024 * 1024, timeoutMs: 10_000 };

/** What is used of fetch's own options. */
export type FetchOptions = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
  readonly signal?: AbortSignal | undefined;
};
/** The part of `fetch` that providers need. */
export type Fetch = (url: string, options?: FetchOptions) => Promise<Response>;

/**
 * `fetch` within limits; the answer's body is read already. Throws UpstreamError `PROVIDER_UNREACHABLE` (retryable) or `PROVIDER_URL_NOT_SECURE`, LimitError `PROVIDER_ANSWER_TOO_LARGE`. Messages name the host
 * and never the path or query, which may hold a code.
 */
export function boundedFetch(limits: FetchLimits = PROVIDER_LIMITS, inner: typeof fetch = fetch): Fetch {
  return async (text, { signal, ...options } = {}) => {
    const url = new URL(text);
    if (!isSecure(url))
      throw new UpstreamError(
        'PROVIDER_URL_NOT_SECURE',
        `provider at ${url.host}: expected https, got ${url.protocol}//`,
      );
    const timeout = AbortSignal.timeout(limits.timeoutMs);
    try {
      const response = await inner(url, {
        ...options,
        redirect: 'manual',
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      });
      const body = await readBounded(response, limits, url.host);
      const { status, statusText, headers } = response;
      return new Response(EMPTY.has(status) ? null : body, { status, statusText, headers: plainHeaders(headers) });
    } catch (error) {
      if (error instanceof LimitError) throw error;
      throw unreachable(url.host, error, timeout.aborted ? limits.timeoutMs : undefined);
    }
  };
}

/** True for https, and for http that does not leave this machine. */
export function isSecure(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/** True for `localhost`, `127.0.0.0/8` and `[::1]`, as URL writes them. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));
}

async function readBounded(response: Response, limits: FetchLimits, host: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limits.maxBytes)
      throw new LimitError(
        'PROVIDER_ANSWER_TOO_LARGE',
        `provider at ${host}: its answer exceeds maxProviderAnswerBytes ${limits.maxBytes}`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// The body is decoded already.
function plainHeaders(headers: Headers): Headers {
  const plain = new Headers(headers);
  plain.delete('content-encoding');
  plain.delete('content-length');
  return plain;
}

function unreachable(host: string, cause: unknown, timeoutMs: number | undefined): UpstreamError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const why =
    timeoutMs === undefined
      ? inner instanceof Error && 'code' in inner && typeof inner.code === 'string'
        ? inner.code
        : 'the connection failed'
      : `no answer within providerTimeoutMs ${timeoutMs}`;
  return new UpstreamError('PROVIDER_UNREACHABLE', `provider at ${host} can not be asked: ${why}`, {
    retryable: true,
    cause,
    publicMessage: 'the identity provider can not be reached; try again in a moment',
  });
}

/** Statuses whose answer has no body. */
const EMPTY = new Set([101, 204, 205, 304]);
