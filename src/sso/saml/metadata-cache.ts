import { LRUCache } from 'lru-cache';
import { UpstreamError } from '../../errors.ts';
import { isSafeUrl, parseIdpMetadata, type IdpMetadata } from './idp-metadata.ts';
import type { SamlLimits } from './limits.ts';

/** Providers' metadata by URL: taken again as it ages, the last good one while the URL does not answer. One for the whole process. */

type Entry = {
  metadata?: IdpMetadata;
  fetchedMs: number;
  /** The latest attempt, good or not. */
  triedMs: number;
  failure?: unknown;
  running?: Promise<void>;
};

export type MetadataSource = {
  readonly fetch: typeof fetch;
  readonly now: () => number;
};

export class MetadataCache {
  readonly #source: MetadataSource;
  readonly #limits: SamlLimits;
  readonly #entries: LRUCache<string, Entry>;

  constructor(source: MetadataSource, limits: SamlLimits) {
    this.#source = source;
    this.#limits = limits;
    this.#entries = new LRUCache({ max: limits.maxMetadataEntries });
  }

  /**
   * Metadata of a URL (https, or http of loopback), at most `metadataRefreshMs` old, or the last good one, at most `metadataStaleMs` old. `newerThanMs`: one fetched later than this is
   * wanted, for a provider that changed its keys; granted at most every `metadataRetryMs`. Throws UpstreamError `SAML_METADATA_*`.
   */
  async get(
    url: string,
    newerThanMs = Number.NEGATIVE_INFINITY,
  ): Promise<{ readonly metadata: IdpMetadata; readonly fetchedMs: number }> {
    const entry = this.#entries.get(url) ?? { fetchedMs: Number.NEGATIVE_INFINITY, triedMs: Number.NEGATIVE_INFINITY };
    this.#entries.set(url, entry);
    if (this.#isDue(entry, newerThanMs)) {
      entry.running ??= this.#refresh(url, entry).finally(() => {
        delete entry.running;
      });
    }
    // Who has good metadata waits only when newer is demanded.
    if (entry.running !== undefined && (this.#usable(entry) === undefined || this.#isOld(entry, newerThanMs)))
      await entry.running;
    const metadata = this.#usable(entry);
    if (metadata !== undefined) return { metadata, fetchedMs: entry.fetchedMs };
    throw unavailable(entry.failure);
  }

  #isOld(entry: Entry, newerThanMs: number): boolean {
    const lifetime = Math.min(
      this.#limits.metadataRefreshMs,
      Math.max(entry.metadata?.cacheMs ?? Number.POSITIVE_INFINITY, this.#limits.metadataRetryMs),
    );
    return entry.fetchedMs <= newerThanMs || this.#source.now() - entry.fetchedMs >= lifetime;
  }

  #isDue(entry: Entry, newerThanMs: number): boolean {
    const rested = this.#source.now() - entry.triedMs >= this.#limits.metadataRetryMs;
    return rested && (this.#usable(entry) === undefined || this.#isOld(entry, newerThanMs));
  }

  #usable(entry: Entry): IdpMetadata | undefined {
    const now = this.#source.now();
    const { metadata } = entry;
    if (metadata === undefined || now - entry.fetchedMs >= this.#limits.metadataStaleMs) return undefined;
    return metadata.validUntilMs !== undefined && metadata.validUntilMs <= now ? undefined : metadata;
  }

  async #refresh(url: string, entry: Entry): Promise<void> {
    const now = this.#source.now();
    entry.triedMs = now;
    try {
      entry.metadata = await parseIdpMetadata(await this.#download(url), now, this.#limits);
      entry.fetchedMs = now;
      delete entry.failure;
    } catch (error) {
      entry.failure = error;
    }
  }

  async #download(url: string): Promise<string> {
    if (!isSafeUrl(url)) throw new UpstreamError('SAML_METADATA_URL', 'saml metadata: expected an https URL');
    const response = await this.#source.fetch(url, {
      // A redirect could lead into the network that Auth is in, or away from https.
      redirect: 'error',
      signal: AbortSignal.timeout(this.#limits.metadataTimeoutMs),
      headers: { accept: 'application/samlmetadata+xml, application/xml, text/xml' },
    });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new UpstreamError(
        'SAML_METADATA_HTTP',
        `saml metadata: the address answered with status ${response.status}`,
        { retryable: true },
      );
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      size += chunk.byteLength;
      if (size > this.#limits.maxMetadataBytes)
        throw new UpstreamError(
          'SAML_METADATA_INVALID',
          `saml metadata: larger than maxMetadataBytes ${this.#limits.maxMetadataBytes}`,
        );
      chunks.push(chunk);
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  }
}

function unavailable(failure: unknown): UpstreamError {
  if (failure instanceof UpstreamError) return failure;
  return new UpstreamError('SAML_METADATA_UNAVAILABLE', 'saml metadata: the address of the connector does not answer', {
    cause: failure,
    retryable: true,
  });
}
