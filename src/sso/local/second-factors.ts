import * as z from 'zod';
import { UnsupportedError } from '../../errors.ts';
import type { Store } from '../../state/store.ts';
import { cleared, countAttempt, lockOf } from './attempts.ts';
import { openCodes, spendCode } from './code-devices.ts';
import { changeCredentials, readCredentials, type Credentials, type Passkey, type SecretBox } from './credentials.ts';
import { keepOnce, newSecret, takeOnce } from './once.ts';
import { ownerOfPasskey } from './passkey-index.ts';
import { authenticationOptions, checkAssertion, namedBy, type Assertion, type RelyingParty } from './webauthn.ts';

/** Second factors of a person: one-time codes and passkeys, shown as proof. Nothing here says who may ask; that is the service's. */

export type FactorKind = 'otp' | 'webauthn';

export type FactorDeps = {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly now: () => number;
  /** undefined while the cluster has no proxy and so no address for browsers: then there are no passkeys, only codes. */
  readonly relyingParty: RelyingParty | undefined;
  /** What the cluster takes; a device of another kind proves nothing. Default: both. */
  readonly kinds?: readonly FactorKind[];
};

/** What a person shows: one of the three forms. As `MfaProof` of the API, where an absent text is empty. */
export type Proof = {
  readonly oneTimeCode?: string;
  readonly challenge?: string;
  readonly webauthnResponseJson?: string;
  readonly token?: string;
};

export type Proven = { readonly type: 'Proven'; readonly kind: FactorKind };
/** `reason` is for the audit log and never for the caller; `lockedUntilMs` is set when this very attempt was the one too many. */
export type ProofRefused = { readonly type: 'ProofRefused'; readonly reason: string; readonly lockedUntilMs?: number };

/** What the person can show: whether any device for one-time codes, and how many passkeys. */
export async function factorsOf(
  user: string,
  deps: Pick<FactorDeps, 'store' | 'kinds'>,
): Promise<{ readonly oneTimeCode: boolean; readonly passkeys: number }> {
  const found = await readCredentials(deps.store, user);
  const { oneTimeCodes, passkeys } = found?.credentials ?? { oneTimeCodes: [], passkeys: [] };
  return {
    oneTimeCode: takes('otp', deps) && oneTimeCodes.length > 0,
    passkeys: takes('webauthn', deps) ? passkeys.length : 0,
  };
}

/** A challenge for this person's passkeys, good once within 5 minutes; both empty when there are none. `optionsJson`: PublicKeyCredentialRequestOptionsJSON. */
export async function beginChallenge(
  user: string,
  deps: FactorDeps,
): Promise<{ readonly challenge: string; readonly optionsJson: string }> {
  const passkeys = (await readCredentials(deps.store, user))?.credentials.passkeys ?? [];
  const { relyingParty } = deps;
  if (relyingParty === undefined || passkeys.length === 0 || !takes('webauthn', deps))
    return { challenge: '', optionsJson: '' };
  const challenge = newSecret();
  await keepOnce({ purpose: 'challenge', user, secret: challenge, value: {} }, deps);
  return { challenge, optionsJson: await authenticationOptions({ challenge, passkeys, relyingParty }) };
}

/** A challenge for whoever has a passkey that signs in alone. Throws UnsupportedError `PASSKEYS_UNAVAILABLE`, LimitError `PASSKEY_SIGN_INS_BUSY`. */
export async function beginPasskeyChallenge(
  deps: FactorDeps,
): Promise<{ readonly challenge: string; readonly optionsJson: string }> {
  const { relyingParty } = deps;
  if (relyingParty === undefined || !takes('webauthn', deps)) throw passkeysUnavailable();
  const challenge = newSecret();
  await keepOnce({ purpose: 'passkey', user: '', secret: challenge, value: {} }, deps);
  return { challenge, optionsJson: await authenticationOptions({ challenge, passkeys: undefined, relyingParty }) };
}

/**
 * Checks what is shown and uses it up. Failures count towards the lockout of sign-in, together with wrong passwords; a success forgives them. An empty proof is refused and
 * not counted.
 */
export async function checkProof(user: string, proof: Proof, deps: FactorDeps): Promise<Proven | ProofRefused> {
  const form = formOf(proof);
  if (form === undefined) return { type: 'ProofRefused', reason: 'no second factor was shown' };
  const nowMs = deps.now();
  const counted = await countAttempt(deps.store, user, nowMs, hasFactor);
  if (counted === undefined) return { type: 'ProofRefused', reason: 'the person has no second factor' };
  if (!counted.allowed) return { type: 'ProofRefused', reason: 'locked after too many failures' };
  const outcome = await CHECKS[form](user, proof, counted.after, deps);
  return outcome.type === 'Proven' ? outcome : { ...outcome, ...lockOf(counted.after, nowMs) };
}

/**
 * The person of an answer to {@link beginPasskeyChallenge}; the authenticator must have verified them. undefined: refused, whatever the reason. Nothing can be guessed here, so
 * nothing is counted; who is locked out after failures stays so.
 */
export async function verifyPasskey(
  answer: { readonly challenge: string; readonly webauthnResponseJson: string },
  deps: FactorDeps,
): Promise<{ readonly user: string } | undefined> {
  const { challenge } = answer;
  if ((await takeOnce({ purpose: 'passkey', user: '', secret: challenge }, deps.store)) === undefined) return undefined;
  const named = namedBy(answer.webauthnResponseJson);
  const user = named === undefined ? undefined : await ownerOfPasskey(deps.store, named.credentialId);
  if (named === undefined || user === undefined) return undefined;
  const credentials = (await readCredentials(deps.store, user))?.credentials;
  if (credentials?.userHandle === undefined || named.userHandle !== credentials.userHandle) return undefined;
  if ((credentials.lockedUntilMs ?? 0) > deps.now()) return undefined;
  const used = await usePasskey(user, { ...answer, userVerification: true }, credentials, deps);
  return used.type === 'Proven' ? { user } : undefined;
}

/** A proof for later, good once within 5 minutes: what a confirmation in the browser gives to tsh. The caller has verified a proof of `kind`. */
export async function issueMfaToken(
  user: string,
  kind: FactorKind,
  deps: Pick<FactorDeps, 'store' | 'now'>,
): Promise<string> {
  const secret = newSecret();
  await keepOnce({ purpose: 'token', user, secret, value: { kind } }, deps);
  return secret;
}

/** Where passkeys can not be had. */
export function passkeysUnavailable(): UnsupportedError {
  return new UnsupportedError(
    'PASSKEYS_UNAVAILABLE',
    'passkeys: the cluster takes none (second_factors), or has no proxy with a domain as its public address; use a one-time code',
  );
}

/** Whether the cluster takes this kind. */
export function takes(kind: FactorKind, { kinds }: Pick<FactorDeps, 'kinds'>): boolean {
  return kinds === undefined || kinds.includes(kind);
}

type Form = 'token' | 'passkey' | 'code';
type Check = (user: string, proof: Proof, credentials: Credentials, deps: FactorDeps) => Promise<Proven | ProofRefused>;

const CHECKS: { readonly [F in Form]: Check } = {
  token: checkToken,
  code: checkCode,
  passkey: (user, { challenge = '', webauthnResponseJson = '' }, credentials, deps) =>
    checkPasskey(user, { challenge, webauthnResponseJson }, credentials, deps),
};
const tokenSchema = z.strictObject({ kind: z.enum(['otp', 'webauthn']) });

function formOf({ oneTimeCode = '', webauthnResponseJson = '', token = '' }: Proof): Form | undefined {
  if (token !== '') return 'token';
  if (webauthnResponseJson !== '') return 'passkey';
  return oneTimeCode === '' ? undefined : 'code';
}

function hasFactor({ oneTimeCodes, passkeys }: Credentials): boolean {
  return oneTimeCodes.length + passkeys.length > 0;
}

async function checkToken(user: string, { token = '' }: Proof, _credentials: Credentials, deps: FactorDeps) {
  const kept = tokenSchema.safeParse(await takeOnce({ purpose: 'token', user, secret: token }, deps.store));
  if (!kept.success) return refused('unknown, used or old token of a confirmation');
  await changeCredentials(deps.store, user, cleared);
  return { type: 'Proven', kind: kept.data.kind } as const;
}

async function checkCode(user: string, { oneTimeCode = '' }: Proof, credentials: Credentials, deps: FactorDeps) {
  if (!takes('otp', deps)) return refused('the cluster takes no one-time codes');
  const opened = await openCodes(user, credentials, deps.secrets);
  let spent: ReturnType<typeof spendCode>;
  await changeCredentials(deps.store, user, (current) => {
    spent = spendCode(current, opened, oneTimeCode, deps.now());
    return spent === undefined ? undefined : cleared(spent.after);
  });
  return spent === undefined ? refused('wrong one-time code') : ({ type: 'Proven', kind: 'otp' } as const);
}

async function checkPasskey(
  user: string,
  answer: { readonly challenge: string; readonly webauthnResponseJson: string },
  credentials: Credentials,
  deps: FactorDeps,
): Promise<Proven | ProofRefused> {
  const kept = await takeOnce({ purpose: 'challenge', user, secret: answer.challenge }, deps.store);
  if (kept === undefined) return refused('unknown, used or old challenge');
  return usePasskey(user, { ...answer, userVerification: false }, credentials, deps);
}

async function usePasskey(
  user: string,
  answer: {
    readonly challenge: string;
    readonly webauthnResponseJson: string;
    readonly userVerification: boolean;
  },
  credentials: Credentials,
  deps: FactorDeps,
): Promise<Proven | ProofRefused> {
  const { relyingParty } = deps;
  if (relyingParty === undefined || !takes('webauthn', deps)) return refused('the cluster takes no passkeys');
  const named = namedBy(answer.webauthnResponseJson)?.credentialId;
  const passkey = credentials.passkeys.find(({ credentialId }) => credentialId === named);
  if (passkey === undefined) return refused('passkey: it is not one of theirs');
  const checked = await checkAssertion(answer.webauthnResponseJson, { ...answer, passkey, relyingParty });
  if ('fault' in checked) return refused(`passkey: ${checked.fault}`);
  let kept = false;
  await changeCredentials(deps.store, user, (current) => {
    const after = withUse(current, passkey, checked, answer.userVerification, deps.now());
    kept = after !== undefined;
    return after;
  });
  return kept ? { type: 'Proven', kind: 'webauthn' } : refused('passkey: removed or used in the meantime');
}

/** Undefined: it is not there any more, or another use has counted past this one. */
function withUse(
  current: Credentials,
  passkey: Passkey,
  { counter, backedUp }: Assertion,
  alone: boolean,
  nowMs: number,
): Credentials | undefined {
  const now = current.passkeys.find(({ id }) => id === passkey.id);
  if (now === undefined || now.publicKey !== passkey.publicKey) return undefined;
  if ((counter > 0 || now.counter > 0) && counter <= now.counter) return undefined;
  const used = { ...now, counter, backedUp, passwordless: now.passwordless || alone, lastUsedMs: nowMs };
  return { ...cleared(current), passkeys: current.passkeys.map((each) => (each === now ? used : each)) };
}

function refused(reason: string): ProofRefused {
  return { type: 'ProofRefused', reason };
}
