import { create, toJsonString } from '@bufbuild/protobuf';
import { SignInResponseSchema, type DecideClientLoginRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent } from '../../audit/event.ts';
import { LoginError } from '../../errors.ts';
import { sealContext, sealFor } from '../../pki/client-seal.ts';
import { factorsOf, issueMfaToken, type FactorKind } from '../../sso/local/second-factors.ts';
import { actorOf, type Person } from './caller.ts';
import { issueForUser } from './certificates.ts';
import {
  answerLogin,
  claimLogin,
  findLogin,
  loginGone,
  pendingLogin,
  type FoundLogin,
} from './client-login-requests.ts';
import { emit, type AuthContext } from './context.ts';
import { factorDeps } from './factor-deps.ts';
import type { Call } from './gate.ts';
import { isEmpty, requireProof } from './mfa-proof.ts';
import { clientAnswer, signInPerson, type SignedInPerson } from './sign-in.ts';

/** How what tsh asked for is decided, and what it gets. */

/** A sign-in this young needs no further one-time code to approve another, milliseconds; a code can not be typed twice. */
const FRESH_MS = 5 * 60_000;

/**
 * A person approves or refuses. The certificate is one of theirs: their roles and their locks decide, and only a second factor shown now makes it live longer than the web session that approved it. Throws LoginError `MFA_REQUIRED` when a second factor must be shown, `CLIENT_LOGIN_GONE`, `CLIENT_LOGIN_OTHER` for another person's confirmation.
 */
export async function decideClientLogin(request: DecideClientLoginRequest, { caller, context }: Call<Person>) {
  const found = await pendingLogin(request.requestId, context);
  const { login } = found;
  if (login.connector !== '') throw loginGone();
  if (login.user !== undefined && login.user !== nameOf(caller)) {
    await rejected(found, caller, 'it is of another person', context);
    throw new LoginError('CLIENT_LOGIN_OTHER', `this is for ${login.user} to confirm`);
  }
  if (!request.approve) {
    const claimed = await claimLogin(found, context);
    await rejected(found, caller, 'refused by the person', context);
    return { redirectUrl: await answerLogin(claimed, 'denied', context) };
  }
  const shown = await shownFactor(request, found, caller, context);
  const claimed = await claimLogin(found, context);
  try {
    const sealed =
      login.purpose === 'mfa'
        ? await confirmation(claimed, caller, shown, context)
        : await approval(claimed, caller, shown, context);
    await emit(context, auditEvent('T1013I', { ...told(found), with_mfa: shown, success: true, ...actorOf(caller) }));
    return { redirectUrl: await answerLogin(claimed, sealed, context) };
  } catch (error) {
    await rejected(found, caller, error instanceof LoginError ? error.message : 'it failed', context);
    await answerLogin(claimed, 'denied', context);
    throw error;
  }
}

/**
 * For a sign-in that was proved elsewhere (a provider): a certificate for tsh's key, sealed, once. Where the browser goes with it; empty: tsh polls. Throws LoginError
 * `CLIENT_LOGIN_GONE` when the request is over.
 */
export async function completeClientLogin(
  requestId: string,
  person: SignedInPerson,
  context: AuthContext,
): Promise<{ readonly redirectUrl: string }> {
  const claimed = await claimLogin(await pendingLogin(requestId, context), context);
  const sealed = await certificateFor(claimed, person, context);
  return { redirectUrl: await answerLogin(claimed, sealed, context) };
}

/** Tells tsh that nothing comes of it. Where the browser could go; empty when tsh polls or the request is over. */
export async function refuseClientLogin(
  requestId: string,
  context: AuthContext,
): Promise<{ readonly redirectUrl: string }> {
  const found = await findLogin(requestId, context);
  if (found?.login.state !== 'pending') return { redirectUrl: '' };
  return { redirectUrl: await answerLogin(await claimLogin(found, context), 'denied', context) };
}

/** What tsh wished for and where it is: the certificate will be used from there. Undefined: the request is over. */
export async function clientLoginWish(
  requestId: string,
  context: AuthContext,
): Promise<{ readonly ttlSeconds: number; readonly address: string } | undefined> {
  const found = await findLogin(requestId, context);
  return found?.login.state === 'pending'
    ? { ttlSeconds: found.login.ttlSeconds, address: found.login.address }
    : undefined;
}

// A confirmation is nothing but the second factor. A sign-in asks for it as a sign-in would: whoever has the cookie alone (a script, a taken-over proxy) must not get a certificate by it. Only who has nothing but
// codes, and typed one a moment ago, is not asked for the next.
async function shownFactor(
  { mfa }: DecideClientLoginRequest,
  { login }: FoundLogin,
  caller: Person,
  context: AuthContext,
): Promise<FactorKind | undefined> {
  const reason = login.purpose === 'mfa' ? login.description : 'approve a sign-in of tsh';
  // What a browser confirmed for tsh must not confirm the next thing in the browser.
  const proof = mfa === undefined ? undefined : { ...mfa, token: '' };
  if (!isEmpty(proof)) return requireProof(caller, proof, reason, context);
  if (login.purpose !== 'mfa') {
    const { oneTimeCode, passkeys } = await factorsOf(nameOf(caller), await factorDeps(context));
    const needed = passkeys > 0 || (oneTimeCode && !isFresh(caller, context));
    if (!needed) return undefined;
  }
  throw new LoginError('MFA_REQUIRED', `second factor: expected a one-time code or a passkey to ${reason}`);
}

async function approval(
  claimed: FoundLogin,
  caller: Person,
  shown: FactorKind | undefined,
  context: AuthContext,
): Promise<Buffer> {
  const { identity, certificate, user } = caller;
  const { address, ttlSeconds } = claimed.login;
  const proved = identity.userKind === 'local' && shown !== undefined;
  const mfa = shown ?? identity.mfa;
  const person = await signInPerson(
    user,
    {
      userKind: identity.userKind,
      mfa,
      address,
      ttlSeconds,
      // Nothing was proved anew (a provider's word is for one sign-in): then it is made from the session, and ends with it.
      ...(proved ? {} : { notAfterMs: certificate.notAfterMs }),
    },
    context,
  );
  return certificateFor(claimed, person, context);
}

async function confirmation(
  { id, login }: FoundLogin,
  caller: Person,
  shown: FactorKind | undefined,
  context: AuthContext,
): Promise<Buffer> {
  if (shown === undefined) throw new LoginError('MFA_REQUIRED', 'second factor: expected one for a confirmation');
  const token = await issueMfaToken(nameOf(caller), shown, await factorDeps(context));
  return seal(id, login.sealKey, JSON.stringify({ mfa_token: token }));
}

async function certificateFor(
  { id, login }: FoundLogin,
  { identity, ttlMs }: SignedInPerson,
  context: AuthContext,
): Promise<Buffer> {
  const wantedMs = login.ttlSeconds === 0 ? ttlMs : Math.min(ttlMs, login.ttlSeconds * 1000);
  const caller = { type: 'anonymous', address: login.address } as const;
  const publicKey = Buffer.from(login.publicKey, 'base64');
  const issued = await issueForUser(identity, { publicKey, ttlMs: wantedMs, caller }, context);
  const answer = create(SignInResponseSchema, await clientAnswer(identity, issued.pem, context));
  return seal(id, login.sealKey, toJsonString(SignInResponseSchema, answer));
}

function seal(id: string, sealKey: string, text: string): Buffer {
  return sealFor(Buffer.from(sealKey, 'base64'), Buffer.from(text), sealContext(id));
}

async function rejected(found: FoundLogin, caller: Person, error: string, context: AuthContext): Promise<void> {
  await emit(context, auditEvent('T1013W', { ...told(found), error, success: false, ...actorOf(caller) }));
}

function told({ id, login }: FoundLogin): {
  readonly request_id: string;
  readonly host_name: string;
  readonly description?: string;
  readonly 'addr.requester': string;
} {
  return {
    request_id: id,
    host_name: login.hostName,
    ...(login.description === '' ? {} : { description: login.description }),
    'addr.requester': login.address,
  };
}

function isFresh({ webSession }: Person, context: AuthContext): boolean {
  return webSession !== undefined && context.clock.now() - webSession.startedMs <= FRESH_MS;
}

function nameOf(caller: Person): string {
  return caller.certificate.identity.user;
}
