import { LRUCache } from 'lru-cache';
import { LimitError, UpstreamError } from '../../errors.ts';
import { boundedFetch, type Fetch } from '../bounded-fetch.ts';
import { parseIdpMetadata, type IdpMetadata } from './idp-metadata.ts';
import type { SamlLimits } from './limits.ts';
import { decodeUtf8 } from './xml.ts';

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
  readonly #fetch: Fetch;

  constructor(source: MetadataSource, limits: SamlLimits) {
    this.#source = source;
    this.#limits = limits;
    this.#fetch = boundedFetch(
      { maxBytes: limits.maxMetadataBytes, timeoutMs: limits.metadataTimeoutMs },
      source.fetch,
    );
    this.#entries = new LRUCache({ max: limits.maxMetadataEntries });
  }

  /**
   * Metadata of a URL (https, or http of loopback), at most `metadataRefreshMs` old, or the last good one, at most `metadataStaleMs` old. `newerThanMs`: one fetched later than this is
   * wanted, for a provider that changed its keys; granted at most every `metadataRetryMs`. Throws UpstreamError `SAML_METADATA_*`, and what `boundedFetch` throws.
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
    const response = await this.#fetch(url, {
      headers: { accept: 'application/samlmetadata+xml, application/xml, text/xml' },
    });
    if (!response.ok)
      throw new UpstreamError(
        'SAML_METADATA_HTTP',
        `saml metadata: expected the address to answer with status 200, got ${response.status} (redirects are not followed)`,
        { retryable: true },
      );
    return decodeUtf8(new Uint8Array(await response.arrayBuffer()));
  }
}

function unavailable(failure: unknown): Error {
  if (failure instanceof UpstreamError || failure instanceof LimitError) return failure;
  return new UpstreamError('SAML_METADATA_INVALID', 'saml metadata: expected XML in UTF-8', { cause: failure });
}
