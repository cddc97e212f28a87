import * as client from 'openid-client';
import { ConfigError, TesseraError, UpstreamError } from '../../errors.ts';
import type { OidcConnector } from '../../resource/resource.ts';
import { isLoopback, isSecure, PROVIDER_LIMITS, type Fetch, type FetchOptions } from '../bounded-fetch.ts';

/** What a provider says of itself at `/.well-known/openid-configuration`, asked again now and then. */

/** Asked again after this, milliseconds; the last good answer serves on for `STALE_MS` while the provider can not be asked. */
export const DISCOVERY_AGE_MS = 60 * 60_000;
const STALE_MS = 24 * 60 * 60_000;
/** The provider's clock may be this far from ours, seconds. */
const CLOCK_TOLERANCE_S = 30;

export class Discovery {
  readonly #connector: OidcConnector;
  readonly #clientSecret: string | undefined;
  readonly #deps: { readonly fetch: Fetch; readonly now: () => number };
  #known: { readonly config: client.Configuration; readonly atMs: number } | undefined;
  #asking: Promise<client.Configuration> | undefined;

  constructor(
    connector: OidcConnector,
    clientSecret: string | undefined,
    deps: { readonly fetch: Fetch; readonly now: () => number },
  ) {
    this.#connector = connector;
    this.#clientSecret = clientSecret;
    this.#deps = deps;
  }

  /** Throws UpstreamError `PROVIDER_UNREACHABLE` or `PROVIDER_METADATA`, ConfigError for an issuer that is not https. */
  async config(): Promise<client.Configuration> {
    const ageMs = this.#known === undefined ? Number.POSITIVE_INFINITY : this.#deps.now() - this.#known.atMs;
    if (this.#known !== undefined && ageMs >= 0 && ageMs < DISCOVERY_AGE_MS) return this.#known.config;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    try {
      return await this.#asking;
    } catch (error) {
      if (this.#known !== undefined && ageMs < STALE_MS) return this.#known.config;
      throw error;
    }
  }

  async #ask(): Promise<client.Configuration> {
    const { issuer_url: text, client_id: id } = this.#connector.spec;
    const issuer = new URL(text);
    if (!isSecure(issuer))
      throw new ConfigError([
        `spec.issuer_url: expected https (http only on the machine itself), got ${issuer.protocol}//${issuer.host}`,
      ]);
    try {
      const discovered = await client.discovery(issuer, id, this.#clientSecret, undefined, this.#options(issuer));
      const server = discovered.serverMetadata();
      checkServer(server, issuer.host);
      const config = new client.Configuration(
        server,
        id,
        { [client.clockTolerance]: CLOCK_TOLERANCE_S },
        this.#authentication(server),
      );
      for (const apply of this.#options(issuer).execute) apply(config);
      // The token came straight from the provider, and its signature is checked all the same.
      client.enableNonRepudiationChecks(config);
      config[client.customFetch] = this.#fetch;
      config.timeout = PROVIDER_LIMITS.timeoutMs / 1000;
      this.#known = { config, atMs: this.#deps.now() };
      return config;
    } catch (error) {
      throw discoveryFault(error, issuer.host);
    }
  }

  readonly #fetch: client.CustomFetch = (url, { method, headers, body, signal }) => {
    refuseInward(url, this.#connector.spec.issuer_url);
    const options: FetchOptions = { method, headers, signal, ...(body === undefined || body === null ? {} : { body }) };
    return this.#deps.fetch(url, options);
  };

  #options(issuer: URL) {
    return {
      [client.customFetch]: this.#fetch,
      timeout: PROVIDER_LIMITS.timeoutMs / 1000,
      // boundedFetch refuses http to any other machine, whatever the metadata says.
      execute: isLoopback(issuer.hostname) ? [client.allowInsecureRequests] : [],
    };
  }

  #authentication(server: Readonly<client.ServerMetadata>): client.ClientAuth {
    if (this.#clientSecret === undefined) return client.None();
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return methods.includes('client_secret_basic')
      ? client.ClientSecretBasic(this.#clientSecret)
      : client.ClientSecretPost(this.#clientSecret);
  }
}

// Metadata of a provider elsewhere must not have Auth post to what listens on Auth's own machine.
function refuseInward(text: string, issuer: string): void {
  if (!isLoopback(new URL(text).hostname) || isLoopback(new URL(issuer).hostname)) return;
  throw new UpstreamError(
    'PROVIDER_METADATA',
    `provider at ${new URL(issuer).host}: its metadata names an address on this machine`,
  );
}

/** One of ours inside what the library threw, or undefined. */
export function innerFault(error: unknown): TesseraError | undefined {
  for (let inner = error, depth = 0; inner instanceof Error && depth < 5; inner = inner.cause, depth += 1)
    if (inner instanceof TesseraError) return inner;
  return undefined;
}

function checkServer(server: Readonly<client.ServerMetadata>, host: string): void {
  for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
    const value = server[name];
    if (typeof value !== 'string' || !URL.canParse(value) || !isSecure(new URL(value)))
      throw new UpstreamError('PROVIDER_METADATA', `provider at ${host}: its metadata has no good ${name} (https)`);
    refuseInward(value, server.issuer);
  }
  const methods = server.code_challenge_methods_supported;
  if (methods !== undefined && !methods.includes('S256'))
    throw new UpstreamError(
      'PROVIDER_METADATA',
      `provider at ${host}: it does not offer PKCE with S256, which is required`,
    );
}

function discoveryFault(error: unknown, host: string): TesseraError {
  const known = innerFault(error);
  if (known !== undefined) return known;
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'not understood';
  return new UpstreamError(
    'PROVIDER_METADATA',
    `provider at ${host}: /.well-known/openid-configuration below the issuer is not what it should be (${code}); is issuer_url exactly the provider's "issuer"?`,
    { cause: error, publicMessage: 'the identity provider can not be used; its metadata is not as expected' },
  );
}
