/** What a proxy says of a browser's call. */
export type WebCall = {
  /** What the browser addressed, `https://host[:port]`: one of the proxy's public addresses. */
  readonly origin: string;
  /** Bounded; for lists and the audit log. */
  readonly userAgent: string;
  /** Of the cookie; undefined: the browser has none. */
  readonly sessionToken?: string;
};
