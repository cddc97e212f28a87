import type {
  BeginPasskeySignInRequest,
  BeginWebSignInRequest,
  EndWebSessionRequest,
  FinishWebSignInRequest,
  GetSignInOptionsRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { BugError, LoginError } from '../../errors.ts';
import type { ClusterAuthPreference, Connector, User } from '../../resource/resource.ts';
import {
  beginChallenge,
  beginPasskeyChallenge,
  checkProof,
  factorsOf,
  verifyPasskey,
  type FactorKind,
} from '../../sso/local/second-factors.ts';
import { checkPassword, signInRefusal } from '../../sso/local/sign-in.ts';
import { preferenceOf, type AuthContext } from './context.ts';
import { factorDeps } from './factor-deps.ts';
import type { Call } from './gate.ts';
import { limited, localAttempt, lockOut, requireLocalSignIn, signInPerson, signInRefused } from './sign-in.ts';
import { claimWebAttempt, findWebAttempt, keepWebAttempt, type WebAttempt } from './web-attempts.ts';
import type { WebCall } from './web-call.ts';
import { clearSession, createWebSession, endWebSession as end, setSession } from './web-sessions.ts';

/** Local users in the browser: password, then one-time code or passkey; or a passkey alone. Failures count together with those of tsh (src/sso/local/attempts.ts). */

/** What the sign-in page and tsh offer; nothing of it depends on who asks. */
export async function getSignInOptions(_request: GetSignInOptionsRequest, { context }: Pick<Call, 'context'>) {
  const { spec } = await preferenceOf(context);
  const connectors = await connectorsOf(context);
  const deps = await factorDeps(context);
  return {
    clusterName: context.clusterName,
    connectors: connectors.map(({ kind, metadata, spec: { display } }) => ({
      kind,
      name: metadata.name,
      display: display ?? metadata.name,
    })),
    local: spec.allow_local_auth,
    secondFactors: [...spec.second_factors],
    passwordless: spec.allow_local_auth && mayUsePasskeyAlone(spec) && deps.relyingParty !== undefined,
    messageOfTheDay: spec.message_of_the_day ?? '',
    preferred: preferredOf(spec, connectors),
  };
}

/** The password. The same refusal for an unknown user as for a wrong password, after the same work. */
export async function beginWebSignIn(request: BeginWebSignInRequest, call: Call) {
  const { caller, context } = call;
  const { address } = caller;
  await limited(address, context);
  const preference = await preferenceOf(context);
  requireLocalSignIn(preference);
  const attempt = localAttempt(request);
  const outcome = await checkPassword(attempt, {
    store: context.store,
    secrets: context.sealer,
    passwords: context.passwords,
    now: () => context.clock.now(),
  });
  if (outcome.type === 'SignInRefused') throw await refusal(attempt.user, { ...outcome, address }, context);
  await localUser(attempt.user, address, context);
  const deps = await factorDeps(context);
  const { oneTimeCode, passkeys } = await factorsOf(attempt.user, deps);
  const { challenge, optionsJson } =
    passkeys > 0 ? await beginChallenge(attempt.user, deps) : { challenge: '', optionsJson: '' };
  if (oneTimeCode || optionsJson !== '') {
    const kept = await keepWebAttempt(attempt.user, challenge, context);
    return { attempt: kept, oneTimeCode, webauthnOptionsJson: optionsJson, signedIn: false };
  }
  // Every cluster asks local users for one (`second_factors` is never empty).
  await refusal(attempt.user, { reason: 'no second factor that is taken here', address }, context);
  throw new LoginError(
    'SECOND_FACTOR_NEEDED',
    `sign-in refused: the cluster asks for a second factor (${preference.spec.second_factors.join(' or ')}) and you have none that is taken at this address; an administrator can reset you: tessera users reset`,
  );
}

/** Throws UnsupportedError `PASSKEYS_UNAVAILABLE` where a passkey alone is not enough. */
export async function beginPasskeySignIn(_request: BeginPasskeySignInRequest, { caller, context }: Call) {
  await limited(caller.address, context);
  const preference = await preferenceOf(context);
  requireLocalSignIn(preference);
  requirePasswordless(preference);
  const { challenge, optionsJson } = await beginPasskeyChallenge(await factorDeps(context));
  return { attempt: `${PASSKEY_ATTEMPT}${challenge}`, webauthnOptionsJson: optionsJson };
}

/** The second factor, or the passkey that is enough. A wrong one counts as a failure; the attempt stays good for another code until it is locked out or over. */
export async function finishWebSignIn(request: FinishWebSignInRequest, call: Call) {
  const { caller, context } = call;
  await limited(caller.address, context);
  const preference = await preferenceOf(context);
  requireLocalSignIn(preference);
  const { user, mfa } = request.attempt.startsWith(PASSKEY_ATTEMPT)
    ? await byPasskey(request, preference, call)
    : await bySecondFactor(request, call);
  await enter(user, mfa, call);
  return { user: user.metadata.name };
}

/** Signs out: the session is over at once, wherever its cookie was copied to. */
export async function endWebSession(_request: EndWebSessionRequest, call: Call) {
  const token = call.web?.sessionToken;
  if (token !== undefined) await end(token, call.context);
  clearSession(call);
  return {};
}

const PASSKEY_ATTEMPT = 'passkey.';

async function byPasskey(
  request: FinishWebSignInRequest,
  preference: ClusterAuthPreference,
  { caller: { address }, context }: Call,
): Promise<{ readonly user: User; readonly mfa: FactorKind }> {
  requirePasswordless(preference);
  const challenge = request.attempt.slice(PASSKEY_ATTEMPT.length);
  const { webauthnResponseJson } = request;
  const found = await verifyPasskey({ challenge, webauthnResponseJson }, await factorDeps(context));
  // Whoever it claimed to be was not proved, so nobody is named.
  if (found === undefined) throw await refusal('', { reason: 'passkey refused', address }, context);
  return { user: await localUser(found.user, address, context), mfa: 'webauthn' };
}

async function bySecondFactor(
  request: FinishWebSignInRequest,
  { caller: { address }, context }: Call,
): Promise<{ readonly user: User; readonly mfa: FactorKind }> {
  const attempt = await findWebAttempt(request.attempt, context);
  if (attempt === undefined) throw attemptGone();
  const { oneTimeCode, webauthnResponseJson } = request;
  const proof = { oneTimeCode, webauthnResponseJson, challenge: attempt.challenge };
  const outcome = await checkProof(attempt.user, proof, await factorDeps(context));
  if (outcome.type === 'ProofRefused') throw await refusal(attempt.user, { ...outcome, address }, context);
  if (!(await claimWebAttempt(attempt, context))) throw attemptGone();
  const user = await localUser(attempt.user, address, context);
  if (isNewer(user, attempt)) throw attemptGone();
  return { user, mfa: outcome.kind };
}

/** A session for the browser; the one that it came with is over. */
async function enter(user: User, mfa: FactorKind, call: Call): Promise<void> {
  const { caller, context } = call;
  const { userAgent } = webOf(call);
  const { identity, ttlMs } = await signInPerson(user, { userKind: 'local', mfa, address: caller.address }, context);
  await setSession(call, await createWebSession(identity, ttlMs, { address: caller.address, userAgent }, context));
}

// The person of a provider proves who they are there, whatever factors they have here.
async function localUser(name: string, address: string, context: AuthContext): Promise<User> {
  const user = (await context.records.read('user', name))?.resource;
  if (user !== undefined && user.spec.created_by?.connector === undefined) return user;
  const reason = user === undefined ? 'user has no record' : 'user signs in at a provider';
  throw await refusal(name, { reason, address }, context);
}

// Told to the audit log in full, to the person in the one way that says nothing.
async function refusal(
  user: string,
  of: { readonly reason: string; readonly lockedUntilMs?: number; readonly address: string },
  context: AuthContext,
): Promise<LoginError> {
  const { reason, address, lockedUntilMs } = of;
  await signInRefused(user, { userKind: 'local', method: 'local', address, reason }, context);
  if (lockedUntilMs !== undefined) await lockOut(user, lockedUntilMs, address, context);
  return signInRefusal();
}

function requirePasswordless({ spec }: ClusterAuthPreference): void {
  if (!mayUsePasskeyAlone(spec))
    throw new LoginError(
      'PASSKEY_ALONE_OFF',
      'a passkey alone is not enough in this cluster: sign in with name and password (allow_passwordless)',
    );
}

function mayUsePasskeyAlone(spec: ClusterAuthPreference['spec']): boolean {
  return spec.allow_passwordless && spec.second_factors.includes('webauthn');
}

function isNewer(user: User, attempt: WebAttempt): boolean {
  const made = user.spec.created_by?.time;
  return made !== undefined && Date.parse(made) > attempt.startedMs;
}

function attemptGone(): LoginError {
  return new LoginError('SIGN_IN_OVER', 'this sign-in took too long or is over: begin again');
}

function webOf(call: Call): WebCall {
  if (call.web === undefined) throw new BugError('a sign-in for browsers without a browser');
  return call.web;
}

async function connectorsOf(context: AuthContext): Promise<readonly Connector[]> {
  const kinds = ['oidc', 'saml', 'github'] as const;
  const lists = await Promise.all(kinds.map((kind) => context.records.list(kind)));
  const all: readonly { readonly resource: Connector }[] = lists.flat();
  return all.map(({ resource }) => resource).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function preferredOf(spec: ClusterAuthPreference['spec'], connectors: readonly Connector[]): string {
  const named = connectors.find(({ metadata }) => metadata.name === spec.connector_name);
  const ofType = spec.type === 'local' ? undefined : connectors.find(({ kind }) => kind === spec.type);
  const connector = named ?? ofType ?? (spec.allow_local_auth ? undefined : connectors[0]);
  return connector?.metadata.name ?? (spec.allow_local_auth ? 'local' : '');
}
