import { isIP } from 'node:net';
import type { FinishSsoRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { sessionTtl } from '../../access/session.ts';
import { ProtocolError, TesseraError } from '../../errors.ts';
import type { Connector } from '../../resource/resource.ts';
import type { ProviderAnswer } from '../../sso/connector.ts';
import { checkAnswer, newBinding, requestGone, takeRequest, type SsoRequest } from '../../sso/requests.ts';
import { HOME_PAGE, returnPath } from '../../sso/return-to.ts';
import { clientLoginWish, completeClientLogin, refuseClientLogin } from './client-logins.ts';
import { findConnector, openConnector } from './connectors.ts';
import { preferenceOf, type AuthContext } from './context.ts';
import type { Handlers } from './gate.ts';
import { limited, rolesOfUser, signInPerson, signInRefused, type SignedInPerson } from './sign-in.ts';
import { auditAttributes } from './sso-audit.ts';
import { begin, unknownConnector } from './sso-begin.ts';
import { judge } from './sso-judge.ts';
import { upsertSsoPerson } from './sso-people.ts';
import { finishSsoTest } from './sso-tests.ts';
import { plainUserAgent } from './web-call.ts';
import { ANOTHER_SIGN_IN, createWebSession, endWebSessionOfId, webSessionId } from './web-sessions.ts';

/** Sign-in at a provider: where the browser goes, and what is done with what it brings back. src/sso/ has the providers. */

/** A browser begins. What it gets beside the address binds the answer to it. */
export const startSso: Handlers['startSso'] = async (request, { caller, context, web, responseHeader }) => {
  await limited(caller.address, context);
  const found = await findConnector(request.connector, context);
  if (found === undefined) throw unknownConnector(request.connector);
  const binding = newBinding();
  const former = web?.sessionToken === undefined ? {} : { formerSession: webSessionId(web.sessionToken) };
  const redirectUrl = await begin(
    found,
    {
      purpose: { type: 'web', returnTo: returnPath(request.returnTo), ...former },
      binding: binding.digest,
      address: caller.address,
      origin: web?.origin,
    },
    context,
  );
  responseHeader.set('tessera-set-binding', binding.secret);
  return { redirectUrl };
};

/** What a browser brought back to a proxy. The request is used up before anything of the answer is looked at. */
export const finishSso: Handlers['finishSso'] = async (answer, { context }) => {
  if (isIP(answer.clientAddress) === 0)
    throw new ProtocolError('SSO_ANSWER_FORM', 'client_address: expected an IP address');
  const requestId = requestIdOf(answer);
  const request = requestId === undefined ? undefined : await takeRequest(requestId, context);
  // Reading what nobody asked for is work that anybody could give us.
  if (request === undefined) await limited(answer.clientAddress, context);
  // Only SAML knows answers that nobody asked for; the provider decides about them.
  if (request === undefined && (answer.kind !== 'saml' || answer.connector === '')) {
    await refused(answer, requestGone(), { counted: true }, context);
    throw requestGone();
  }
  if (request?.purpose.type === 'test')
    return finishSsoTest({ testId: request.purpose.testId, request, requestId, answer }, context);
  try {
    return await signIn(answer, request, requestId, context);
  } catch (error) {
    const target =
      request?.purpose.type === 'client' ? await refuseClientLogin(request.purpose.clientLoginId, context) : undefined;
    if (target === undefined || target.redirectUrl === '') throw error;
    return { redirectUrl: target.redirectUrl };
  }
};

async function signIn(
  answer: FinishSsoRequest,
  request: SsoRequest | undefined,
  requestId: string | undefined,
  context: AuthContext,
) {
  const told: Told = { counted: request === undefined };
  let admitted = false;
  try {
    if (request !== undefined) checkAnswer(request, answer);
    const name = request?.connector ?? answer.connector;
    told.connector = name;
    const found = await openConnector(kindOf(answer.kind), name, context);
    if (found === undefined) throw unknownConnector(name);
    const { parameters } = answer;
    told.answer = await found.provider.finish(
      { parameters, kept: request?.kept, requestId: request && requestId },
      () => {},
    );
    told.user = told.answer.username?.slice(0, MAX_TOLD_NAME);
    const { wish, ...person } = await admit(found.connector, told.answer, { request, answer }, context);
    admitted = true;
    const attributes = auditAttributes(told.answer);
    const signedIn = await signInPerson(
      person.user,
      { userKind: 'sso', mfa: undefined, ...wish, attributes, notAfterMs: person.untilMs },
      context,
    );
    return await handOver(signedIn, request, answer, context);
  } catch (error) {
    // What comes later tells the audit log itself.
    if (!admitted) await refused(answer, error, told, context);
    throw error;
  }
}

type Told = { readonly counted: boolean; connector?: string; user?: string | undefined; answer?: ProviderAnswer };

async function admit(
  connector: Connector,
  told: ProviderAnswer,
  { request, answer }: { readonly request: SsoRequest | undefined; readonly answer: FinishSsoRequest },
  context: AuthContext,
) {
  const judged = await judge(connector, told, () => {}, context);
  const client =
    request?.purpose.type === 'client' ? await clientLoginWish(request.purpose.clientLoginId, context) : undefined;
  if (request?.purpose.type === 'client' && client === undefined) throw requestGone();
  const wish = client ?? { ttlSeconds: 0, address: answer.clientAddress };
  const draft = { metadata: { name: judged.username }, spec: { roles: judged.roles, traits: judged.traits } };
  const roles = await rolesOfUser({ kind: 'user', version: 'v2', ...draft }, context);
  const untilMs = context.clock.now() + sessionTtl(roles, await preferenceOf(context), wish.ttlSeconds * 1000);
  return { user: await upsertSsoPerson({ connector, ...judged, untilMs }, context), untilMs, wish };
}

async function handOver(
  person: SignedInPerson,
  request: SsoRequest | undefined,
  answer: FinishSsoRequest,
  context: AuthContext,
) {
  if (request?.purpose.type === 'client') return completeClientLogin(request.purpose.clientLoginId, person, context);
  const where = { address: answer.clientAddress, userAgent: plainUserAgent(answer.userAgent) };
  const { token, seconds } = await createWebSession(person.identity, person.ttlMs, where, context);
  const { returnTo, formerSession } =
    request?.purpose.type === 'web' ? request.purpose : { returnTo: HOME_PAGE, formerSession: undefined };
  // Nobody goes on with a session that was planted, or left behind by somebody else at the same browser.
  if (formerSession !== undefined) await endWebSessionOfId(formerSession, context, ANOTHER_SIGN_IN);
  // Checked when it was kept; the record may be of another version.
  return { redirectUrl: returnPath(returnTo), sessionToken: token, sessionSeconds: seconds };
}

/** What the browser carried there and back: exactly one, or none. */
function requestIdOf({ kind, parameters }: FinishSsoRequest): string | undefined {
  const [id, ...more] = new URLSearchParams(parameters).getAll(kind === 'saml' ? 'RelayState' : 'state');
  return more.length === 0 ? id : undefined;
}

function kindOf(text: string): Connector['kind'] {
  if (text === 'oidc' || text === 'saml' || text === 'github') return text;
  throw new ProtocolError('SSO_ANSWER_FORM', 'kind: expected oidc, saml or github');
}

async function refused(answer: FinishSsoRequest, error: unknown, told: Told, context: AuthContext): Promise<void> {
  // Nobody fills the audit log with answers that nobody asked for.
  if (!told.counted) await limited(answer.clientAddress, context);
  const reason = error instanceof TesseraError ? `${error.message} (${error.code})` : 'the auth service failed';
  await signInRefused(
    told.user ?? '',
    {
      userKind: 'sso',
      method: answer.kind === 'saml' || answer.kind === 'github' ? answer.kind : 'oidc',
      address: answer.clientAddress,
      reason,
      ...(told.connector === undefined ? {} : { connector: told.connector }),
      ...(told.answer === undefined ? {} : { attributes: auditAttributes(told.answer) }),
    },
    context,
  );
}

const MAX_TOLD_NAME = 128;
