/** Every bound on what a SAML provider may send us; those of attributes are every provider's (../attributes.ts). Sizes in bytes or counts, times in milliseconds. */
export type SamlLimits = {
  /** An answer's XML after base64, and each decrypted assertion. */
  readonly maxAnswerBytes: number;
  /** A provider's metadata. */
  readonly maxMetadataBytes: number;
  /** Elements inside elements. */
  readonly maxDepth: number;
  /** Tags and attributes of an answer. The signature check's time grows with their square: some 0.3 s here. A person with a thousand groups needs some 2500. */
  readonly maxNodes: number;
  /** The same of metadata, where no signature is checked; a federation's file is none that one connector needs. */
  readonly maxMetadataNodes: number;
  /** Provider certificates that may sign at the same time (rollover). */
  readonly maxCertificates: number;
  /** How far the provider's clock may be from ours. */
  readonly clockSkewMs: number;
  /** An assertion is good for this long after it was issued, however long it says itself; so remembered ids stay few. */
  readonly maxAssertionAgeMs: number;
  /** Waiting for a metadata URL. */
  readonly metadataTimeoutMs: number;
  /** Metadata of a URL is taken again after this time, sooner when its cacheDuration says so. */
  readonly metadataRefreshMs: number;
  /** Not more often than this, whatever happens. */
  readonly metadataRetryMs: number;
  /** The last good metadata serves this long while the URL does not answer. */
  readonly metadataStaleMs: number;
  /** Metadata URLs remembered. */
  readonly maxMetadataEntries: number;
};

/** What holds unless a caller says otherwise. */
export const SAML_LIMITS: SamlLimits = {
  maxAnswerBytes: 256 * 1024,
  maxMetadataBytes: 1024 * 1024,
  maxDepth: 48,
  maxNodes: 4000,
  maxMetadataNodes: 20_000,
  maxCertificates: 8,
  clockSkewMs: 60_000,
  maxAssertionAgeMs: 10 * 60_000,
  metadataTimeoutMs: 10_000,
  metadataRefreshMs: 60 * 60_000,
  metadataRetryMs: 60_000,
  metadataStaleMs: 7 * 24 * 60 * 60_000,
  maxMetadataEntries: 100,
};
