import { UnsupportedError } from '../../errors.ts';
import type { Store } from '../../state/store.ts';
import type { SecretBox } from './credentials.ts';

/** Second factors of a person: one-time codes and passkeys, shown as proof. Nothing here says who may ask; that is the service's. */

export type FactorKind = 'otp' | 'webauthn';

/** Whom passkeys are bound to (WebAuthn level 3, section 5.1.2): a domain, and the origins below it that may ask. */
export type RelyingParty = { readonly id: string; readonly name: string; readonly origins: readonly string[] };

export type FactorDeps = {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly now: () => number;
  /** undefined while the cluster has no proxy and so no address for browsers: then there are no passkeys, only codes. */
  readonly relyingParty: RelyingParty | undefined;
};

/** What a person shows: one of the three forms. As `MfaProof` of the API, where an absent text is empty. */
export type Proof = {
  readonly oneTimeCode?: string;
  readonly challenge?: string;
  readonly webauthnResponseJson?: string;
  readonly token?: string;
};

/** `reason` is for the audit log and never for the caller; `lockedUntilMs` is set when this very attempt was the one too many. */
export type ProofRefused = { readonly type: 'ProofRefused'; readonly reason: string; readonly lockedUntilMs?: number };
export type Proven = { readonly type: 'Proven'; readonly kind: FactorKind; readonly device: string };

/** What the person has: whether any device for one-time codes, and how many passkeys. */
export function factorsOf(
  _user: string,
  _deps: Pick<FactorDeps, 'store'>,
): Promise<{ readonly oneTimeCode: boolean; readonly passkeys: number }> {
  throw notBuilt();
}

/** A challenge for this person's passkeys, good once within 5 minutes; both empty when there are none. `optionsJson`: PublicKeyCredentialRequestOptionsJSON. */
export function beginChallenge(
  _user: string,
  _deps: FactorDeps,
): Promise<{ readonly challenge: string; readonly optionsJson: string }> {
  throw notBuilt();
}

/** A challenge for whoever has a passkey that signs in alone. Throws UnsupportedError `PASSKEYS_UNAVAILABLE`. */
export function beginPasskeyChallenge(
  _deps: FactorDeps,
): Promise<{ readonly challenge: string; readonly optionsJson: string }> {
  throw notBuilt();
}

/** Checks what is shown, counts failures towards the lockout of sign-in, and uses it up. An empty proof is refused without counting. */
export function checkProof(_user: string, _proof: Proof, _deps: FactorDeps): Promise<Proven | ProofRefused> {
  throw notBuilt();
}

/** {@link checkProof} where the reason does not matter. */
export async function verifyProof(user: string, proof: Proof, deps: FactorDeps): Promise<FactorKind | undefined> {
  const checked = await checkProof(user, proof, deps);
  return checked.type === 'Proven' ? checked.kind : undefined;
}

/** The person of an answer to {@link beginPasskeyChallenge}; the authenticator must have verified them. undefined: refused. */
export function verifyPasskey(
  _answer: { readonly challenge: string; readonly webauthnResponseJson: string },
  _deps: FactorDeps,
): Promise<{ readonly user: string } | undefined> {
  throw notBuilt();
}

/** A proof for later, good once within 5 minutes: what a confirmation in the browser gives to tsh. */
export function issueMfaToken(
  _user: string,
  _kind: FactorKind,
  _deps: Pick<FactorDeps, 'store' | 'now'>,
): Promise<string> {
  throw notBuilt();
}

function notBuilt(): UnsupportedError {
  return new UnsupportedError('NOT_BUILT', 'second factors are not built yet');
}
