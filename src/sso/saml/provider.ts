import { createHash } from 'node:crypto';
import { SAML } from '@node-saml/node-saml';
import { LoginError, UpstreamError } from '../../errors.ts';
import type { SamlConnector } from '../../resource/resource.ts';
import type { ConnectorSecrets, Provider, ProviderAnswer, Trace } from '../connector.ts';
import { judgeAssertion } from './assertion.ts';
import { fault } from './fault.ts';
import { parseAnswerForm } from './form.ts';
import { parseIdpMetadata, type IdpMetadata } from './idp-metadata.ts';
import { SAML_LIMITS, type SamlLimits } from './limits.ts';
import { audienceOf, serviceProviderEntityId } from './metadata.ts';
import { MetadataCache } from './metadata-cache.ts';
import { personOf } from './person.ts';
import { signedAssertion, type SignedAssertion } from './response.ts';
import { decodeUtf8 } from './xml.ts';

/** Sign-in by SAML 2.0: a signed request by redirect, the answer by a form that the browser posts (web browser SSO profile). */

export type SamlDeps = {
  readonly fetch: typeof fetch;
  readonly now: () => number;
  /** Remembers an id (at most 128 characters) until `untilMs` and resolves whether it was known: of two at once, one is told false. Shared by all Auth processes. */
  readonly assertionSeen: (id: string, untilMs: number) => Promise<boolean>;
  /** One for the process; absent: one for this provider alone. */
  readonly metadata?: MetadataCache;
  readonly limits?: Partial<SamlLimits>;
};

/** The provider of one connector. Without a `signingKey` requests go unsigned, which a provider that wants them signed refuses. Cheap to make; what is slow is in `deps.metadata`. */
export function samlProvider(connector: SamlConnector, secrets: ConnectorSecrets, deps: SamlDeps): Provider {
  const limits = { ...SAML_LIMITS, ...deps.limits };
  return new SamlProvider(connector, secrets, deps, limits, deps.metadata ?? new MetadataCache(deps, limits));
}

/** What came in a form, before anything of it is believed. */
type Received = { readonly xml: string; readonly requestId: string | undefined };

class SamlProvider implements Provider {
  readonly #connector: SamlConnector;
  readonly #secrets: ConnectorSecrets;
  readonly #deps: SamlDeps;
  readonly #limits: SamlLimits;
  readonly #cache: MetadataCache;

  constructor(
    connector: SamlConnector,
    secrets: ConnectorSecrets,
    deps: SamlDeps,
    limits: SamlLimits,
    cache: MetadataCache,
  ) {
    this.#connector = connector;
    this.#secrets = secrets;
    this.#deps = deps;
    this.#limits = limits;
    this.#cache = cache;
  }

  async begin({ requestId }: { readonly requestId: string }): ReturnType<Provider['begin']> {
    if (requestId === '' || Buffer.byteLength(requestId) > MAX_RELAY_STATE_BYTES)
      throw new LoginError('SAML_RELAY_STATE', `saml: expected a request id of at most ${MAX_RELAY_STATE_BYTES} bytes`);
    const { metadata } = await this.#provider();
    let id = '';
    const saml = new SAML({
      entryPoint: metadata.signInUrl,
      callbackUrl: this.#connector.spec.acs,
      issuer: serviceProviderEntityId(this.#connector),
      idpCert: [...metadata.certificates],
      // Never asked for a certain kind of name or sign-in: the provider's administrator decides (AD FS refuses what it does not have).
      identifierFormat: null,
      disableRequestedAuthnContext: true,
      signatureAlgorithm: 'sha256',
      ...(this.#secrets.signingKey === undefined ? {} : { privateKey: this.#secrets.signingKey }),
    });
    const generate = saml.options.generateUniqueId;
    saml.options.generateUniqueId = () => (id = generate());
    const redirectUrl = await saml.getAuthorizeUrlAsync(requestId, undefined, {});
    return { redirectUrl, kept: { id } };
  }

  async finish(answer: Parameters<Provider['finish']>[0], trace: Trace): Promise<ProviderAnswer> {
    const received = await told(
      'answer',
      trace,
      () => this.#receive(answer),
      ({ xml }) => `${xml.length} characters`,
    );
    const signed = await told('signature', trace, () => this.#verify(received), describe);
    const judged = await told(
      'assertion',
      trace,
      () =>
        judgeAssertion(
          signed.assertion,
          {
            issuer: signed.entityId,
            audience: audienceOf(this.#connector),
            acs: this.#connector.spec.acs,
            requestId: received.requestId,
            nowMs: this.#deps.now(),
          },
          this.#limits,
        ),
      () => 'issuer, audience, recipient, request and times are as expected',
    );
    const { dropped, ...person } = await told(
      'attributes',
      trace,
      () => personOf(signed.assertion, this.#connector.spec.username_attribute),
      ({ attributes }) => JSON.stringify(attributes),
    );
    if (dropped.length > 0) {
      const names = dropped.slice(0, MAX_NAMED).join(', ');
      trace({ name: 'attributes', ok: false, detail: `left out, as they are too long or no text: ${names}` });
    }
    trace({ name: 'username', ok: true, detail: `${this.#usernameFrom()} is ${JSON.stringify(person.username)}` });
    // Last: an answer that is refused for another reason must not use up its id.
    await told(
      'first use',
      trace,
      () => this.#useOnce(signed.entityId, judged),
      () => 'this assertion was not seen before',
    );
    return person;
  }

  #usernameFrom(): string {
    const { username_attribute: attribute } = this.#connector.spec;
    return attribute === undefined ? 'NameID' : `attribute ${attribute}`;
  }

  #receive(answer: Parameters<Provider['finish']>[0]): Received {
    const form = parseAnswerForm(answer.parameters, this.#limits);
    const requestId = keptIdOf(answer.kept);
    if (requestId === undefined && !this.#connector.spec.allow_idp_initiated)
      throw fault(
        'SAML_UNSOLICITED',
        'nobody asked for it (or the sign-in took too long), and the connector does not allow sign-in that begins at the provider (allow_idp_initiated)',
      );
    if (answer.requestId !== undefined && form.relayState !== answer.requestId)
      throw fault('SAML_RELAY_STATE', 'the RelayState is not of this sign-in');
    return { xml: decodeUtf8(form.response), requestId };
  }

  /** With newer metadata once more when no known certificate fits: the provider may have changed its key since. */
  async #verify(received: Received): Promise<SignedAssertion & { readonly entityId: string }> {
    const { metadata, fetchedMs } = await this.#provider();
    try {
      return await this.#verifyWith(metadata, received);
    } catch (error) {
      if (!(error instanceof LoginError) || error.code !== 'SAML_SIGNATURE_INVALID' || fetchedMs === undefined)
        throw error;
      const newer = await this.#provider(fetchedMs);
      if (newer.fetchedMs === fetchedMs) throw error;
      return await this.#verifyWith(newer.metadata, received);
    }
  }

  async #verifyWith(
    metadata: IdpMetadata,
    { xml, requestId }: Received,
  ): Promise<SignedAssertion & { readonly entityId: string }> {
    const { acs } = this.#connector.spec;
    const expected = { provider: metadata, acs, requestId, decryptionKey: this.#secrets.assertionKey };
    return { ...(await signedAssertion(xml, expected, this.#limits)), entityId: metadata.entityId };
  }

  /** `fetchedMs` undefined: written into the connector. */
  async #provider(newerThanMs?: number): Promise<{ readonly metadata: IdpMetadata; readonly fetchedMs?: number }> {
    const { entity_descriptor: inline, entity_descriptor_url: url } = this.#connector.spec;
    if (inline !== undefined && inline !== '')
      return { metadata: await parseIdpMetadata(inline, this.#deps.now(), this.#limits) };
    if (url === undefined)
      throw new UpstreamError(
        'SAML_METADATA_MISSING',
        'saml connector: expected entity_descriptor or entity_descriptor_url',
      );
    return this.#cache.get(url, newerThanMs);
  }

  async #useOnce(entityId: string, judged: { readonly id: string; readonly acceptableUntilMs: number }): Promise<void> {
    const key = createHash('sha256').update(`${entityId}\n${judged.id}`).digest('base64url');
    if (await this.#deps.assertionSeen(key, judged.acceptableUntilMs))
      throw fault('SAML_REPLAY', 'this assertion was used before');
  }
}

function keptIdOf(kept: Parameters<Provider['finish']>[0]['kept']): string | undefined {
  if (kept === undefined) return undefined;
  const id = typeof kept === 'object' && kept !== null && 'id' in kept ? kept['id'] : undefined;
  if (typeof id !== 'string' || id === '')
    throw fault('SAML_REQUEST_UNKNOWN', 'the pending sign-in is not one of SAML');
  return id;
}

function describe({ encrypted, responseSigned }: SignedAssertion): string {
  return `the assertion is signed by the provider${encrypted ? ', was encrypted for us' : ''}${responseSigned ? ', and the response is signed too' : ''}`;
}

/** Runs a step and tells how it went. */
async function told<T>(
  name: string,
  trace: Trace,
  step: () => T | Promise<T>,
  detail: (result: T) => string,
): Promise<T> {
  try {
    const result = await step();
    trace({ name, ok: true, detail: detail(result) });
    return result;
  } catch (error) {
    trace({ name, ok: false, detail: error instanceof Error ? error.message : 'failed' });
    throw error;
  }
}

/** SAML bindings section 3.4.3. */
const MAX_RELAY_STATE_BYTES = 80;
/** Names in a message. */
const MAX_NAMED = 20;
