import type { Traits } from '../resource/identity.ts';
import type { Json } from '../state/store.ts';

/** The seam of providers: `oidc/`, `saml/` and `github/` each implement {@link Provider}; what is done with the answer stands in `mapping.ts` and in the Auth Service. */

/** What a provider said of a person, before any mapping. Bounded by the provider's own code (`attributes.ts`). */
export type ProviderAnswer = {
  /** Who it is at the provider, never given to somebody else there: `sub`, NameID, GitHub's number. */
  readonly subject: string;
  /** The user name as the connector says to find it; undefined: the answer has none. */
  readonly username?: string;
  /** What rules look at and what becomes the person's traits. */
  readonly attributes: Traits;
  /** For the audit log and for `tessera sso test`: no token, no code, no secret. At most some 64 KiB as JSON. */
  readonly raw: Json;
  /** Looked at by rules, no trait of the person. */
  readonly hidden?: readonly string[];
};

/** Steps for `tessera sso test`: told as they happen, never with a secret. A step that is not ok need not end the sign-in; what ends it is thrown. */
export type Trace = (step: SsoStep) => void;
export type SsoStep = { readonly name: string; readonly ok: boolean; readonly detail: string };

/** One connector, ready for sign-ins. */
export interface Provider {
  /**
   * Where the browser goes. `requestId` is the state, or RelayState and the ID of the SAML request (it is an NCName); `kept` comes back to `finish` (stored, at most 16 KiB). `origin`:
   * what the browser addressed, when it is known. Throws UpstreamError when the provider can not be asked.
   */
  begin(request: {
    readonly requestId: string;
    readonly origin?: string;
  }): Promise<{ readonly redirectUrl: string; readonly kept: Json }>;
  /**
   * Reads what the browser brought back. Throws LoginError for what is not good, UpstreamError when the provider can not be asked. `parameters` as FinishSsoRequest says.
   * `kept` and `requestId` undefined: unsolicited (SAML, IdP-initiated).
   */
  finish(
    answer: {
      readonly parameters: string;
      readonly kept: Json | undefined;
      readonly requestId: string | undefined;
    },
    trace: Trace,
  ): Promise<ProviderAnswer>;
}

/** What of a connector is secret: kept sealed beside the record (service/auth/connectors.ts). */
export type ConnectorSecrets = {
  /** OIDC, GitHub. */
  readonly clientSecret?: string;
  /** SAML: PEM of the key that signs requests, and of the one that assertions are encrypted for. */
  readonly signingKey?: string;
  readonly assertionKey?: string;
};
