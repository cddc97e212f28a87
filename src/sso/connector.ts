import type { Traits } from '../resource/identity.ts';
import type { Json } from '../state/store.ts';

/** The seam of providers: OIDC, SAML and GitHub each implement {@link Provider}. */

/** What a provider said of a person, before any mapping. */
export type ProviderAnswer = {
  readonly subject: string;
  readonly username?: string;
  readonly attributes: Traits;
  readonly raw: Json;
};

/** Steps for `tessera sso test`: told as they happen, never with a secret. */
export type Trace = (step: { readonly name: string; readonly ok: boolean; readonly detail: string }) => void;

export interface Provider {
  /** `requestId` is the state / RelayState / InResponseTo; `kept` comes back to `finish` (stored, at most 16 KiB). */
  begin(request: {
    readonly requestId: string;
    readonly origin?: string;
  }): Promise<{ readonly redirectUrl: string; readonly kept: Json }>;
  /** Throws LoginError. `parameters` as FinishSsoRequest says. `kept` undefined: unsolicited (SAML IdP-initiated). */
  finish(
    answer: {
      readonly parameters: string;
      readonly kept: Json | undefined;
      readonly requestId: string | undefined;
    },
    trace: Trace,
  ): Promise<ProviderAnswer>;
}
