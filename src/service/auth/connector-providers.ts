import { LRUCache } from 'lru-cache';
import { StorageError } from '../../errors.ts';
import type { Connector } from '../../resource/resource.ts';
import { boundedFetch } from '../../sso/bounded-fetch.ts';
import type { ConnectorSecrets, Provider } from '../../sso/connector.ts';
import { githubProvider } from '../../sso/github/provider.ts';
import { oidcProvider } from '../../sso/oidc/provider.ts';
import { SAML_LIMITS } from '../../sso/saml/limits.ts';
import { MetadataCache } from '../../sso/saml/metadata-cache.ts';
import { samlProvider } from '../../sso/saml/provider.ts';
import type { Store } from '../../state/store.ts';

/** maxConnectorProviders: connectors whose provider's metadata is remembered. */
const MAX_PROVIDERS = 100;

type Deps = { readonly store: Store; readonly now: () => number };

/** The providers of connectors, each made once for as long as its connector is the same, as they remember what their far end says of itself. */
export class ConnectorProviders {
  readonly #made = new LRUCache<string, Provider>({ max: MAX_PROVIDERS });
  readonly #deps: Deps;
  readonly #fetch = boundedFetch();
  readonly #metadata: MetadataCache;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#metadata = new MetadataCache({ fetch, now: deps.now }, SAML_LIMITS);
  }

  /** `version`: changes with the connector or its secrets; undefined: of a connector that is not stored, made for this once. */
  of(connector: Connector, secrets: ConnectorSecrets, version: string | undefined): Provider {
    if (version === undefined) return this.#make(connector, secrets);
    const key = `${connector.kind}/${connector.metadata.name}/${version}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.#make(connector, secrets);
    this.#made.set(key, made);
    return made;
  }

  #make(connector: Connector, secrets: ConnectorSecrets): Provider {
    const { now, store } = this.#deps;
    switch (connector.kind) {
      case 'oidc':
        return oidcProvider(connector, secrets, { fetch: this.#fetch, now });
      case 'github':
        return githubProvider(connector, secrets, { fetch: this.#fetch });
      case 'saml':
        return samlProvider(connector, secrets, {
          fetch,
          now,
          metadata: this.#metadata,
          assertionSeen: (id, untilMs) => seenBefore(id, untilMs, store),
        });
    }
  }
}

// Of two at once, the store lets one be the first.
async function seenBefore(id: string, untilMs: number, store: Store): Promise<boolean> {
  try {
    await store.put(`/saml_assertion/${encodeURIComponent(id)}`, true, {
      expect: 'absent',
      expiresMs: Math.ceil(untilMs),
    });
    return false;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'STATE_CONFLICT') return true;
    throw error;
  }
}
