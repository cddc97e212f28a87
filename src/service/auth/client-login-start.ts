import {
  ClientLoginPurpose,
  PollClientLoginResponse_State as PollState,
  type GetClientLoginRequest,
  type PollClientLoginRequest,
  type StartClientLoginRequest,
  type StartMfaConfirmationRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent } from '../../audit/event.ts';
import { ConfigError, LoginError, UpstreamError } from '../../errors.ts';
import { parsePublicKey } from '../../pki/keys.ts';
import type { Connector } from '../../resource/resource.ts';
import { actorOf, type Person } from './caller.ts';
import { checkedCallback } from './callback-url.ts';
import {
  keepLogin,
  pendingLogin,
  pendingLoginOfCode,
  POLL_SECONDS,
  pollLogin,
  loginGone,
} from './client-login-requests.ts';
import { guessed } from './code-guesses.ts';
import { emit, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { limited } from './sign-in.ts';
import { beginSso, unknownConnector } from './sso-begin.ts';

/**
 * tsh by way of a browser: at a provider, approved by a person who is signed in at the web UI, or a second factor that only a browser can show. What comes back is sealed for a key of
 * this one request (src/pki/client-seal.ts); client-logins.ts has how it is decided.
 */

export async function startClientLogin(request: StartClientLoginRequest, { caller, context }: Call) {
  await limited(caller.address, context);
  parsePublicKey(request.publicKey);
  parsePublicKey(request.sealKey);
  const connector = request.connector === '' ? undefined : await connectorOf(request.connector, context);
  if (connector !== undefined && request.callbackUrl === '')
    throw new ConfigError([
      'connector: a code is approved by a person who is signed in at the web UI, however they signed in',
    ]);
  const callbackUrl = request.callbackUrl === '' ? '' : checkedCallback(request.callbackUrl);
  const web = await webAddress(context);
  const hostName = plainText(request.hostName, MAX_HOST_NAME);
  const kept = await keepLogin(
    {
      purpose: 'sign-in',
      publicKey: base64(request.publicKey),
      sealKey: base64(request.sealKey),
      ttlSeconds: request.ttlSeconds,
      callbackUrl,
      connector: request.connector,
      hostName,
      address: caller.address,
      description: '',
    },
    context,
  );
  const url =
    connector === undefined
      ? `${web}${callbackUrl === '' ? '/web/device' : `/web/confirm/${kept.id}`}`
      : (await beginSso({ connector: request.connector, clientLoginId: kept.id, address: caller.address }, context))
          .redirectUrl;
  if (connector === undefined)
    await emit(
      context,
      auditEvent('T1012I', { request_id: kept.id, host_name: hostName, 'addr.remote': caller.address }),
    );
  return {
    requestId: kept.id,
    url,
    userCode: kept.userCode,
    pollSecret: kept.pollSecret,
    expires: new Date(kept.expiresMs).toISOString(),
    pollSeconds: POLL_SECONDS,
  };
}

export async function pollClientLogin(request: PollClientLoginRequest, { caller, context }: Call) {
  try {
    const polled = await pollLogin({ id: request.requestId, secret: request.pollSecret }, context);
    switch (polled.state) {
      case 'pending':
        // RFC 8628 section 5.2: who waits as told is never refused.
        if (polled.tooSoon) await limited(caller.address, context);
        return { state: PollState.PENDING, pollSeconds: polled.pollSeconds };
      case 'denied':
        return { state: PollState.DENIED };
      case 'done':
        return { state: PollState.DONE, sealed: new Uint8Array(polled.sealed) };
    }
  } catch (error) {
    // Who waits for an answer asks often, so only guesses and haste count.
    if (error instanceof LoginError) await limited(caller.address, context);
    throw error;
  }
}

export async function startMfaConfirmation(request: StartMfaConfirmationRequest, { caller, context }: Call<Person>) {
  parsePublicKey(request.sealKey);
  const callbackUrl = checkedCallback(request.callbackUrl);
  const web = await webAddress(context);
  const hostName = plainText(request.hostName, MAX_HOST_NAME);
  const description = plainText(request.description, MAX_DESCRIPTION);
  const kept = await keepLogin(
    {
      purpose: 'mfa',
      publicKey: '',
      sealKey: base64(request.sealKey),
      ttlSeconds: 0,
      callbackUrl,
      connector: '',
      hostName,
      address: caller.address,
      user: caller.certificate.identity.user,
      description,
    },
    context,
  );
  await emit(
    context,
    auditEvent('T1012I', { request_id: kept.id, host_name: hostName, description, ...actorOf(caller) }),
  );
  return { requestId: kept.id, url: `${web}/web/confirm/${kept.id}`, expires: new Date(kept.expiresMs).toISOString() };
}

/** What a person is about to approve: who asks, from where, since when. */
export async function getClientLogin(request: GetClientLoginRequest, { caller, context }: Call<Person>) {
  const { id, login, item } =
    request.userCode === ''
      ? await pendingLogin(request.requestId, context)
      : await guessed(caller.certificate.identity.user, () => pendingLoginOfCode(request.userCode, context), context);
  // A sign-in at a provider is nobody's to approve here.
  if (login.connector !== '') throw loginGone();
  return {
    requestId: id,
    purpose: login.purpose === 'mfa' ? ClientLoginPurpose.MFA : ClientLoginPurpose.SIGN_IN,
    hostName: login.hostName,
    clientAddress: login.address,
    started: new Date(login.startedMs).toISOString(),
    expires: new Date(item.expiresMs ?? login.startedMs).toISOString(),
    description: login.description,
    // A callback is always of the browser's own machine (callback-url.ts).
    onThisMachine: login.callbackUrl !== '',
    user: login.user ?? '',
  };
}

/** maxHostNameLength, maxDescriptionLength: shown to people. */
const MAX_HOST_NAME = 64;
const MAX_DESCRIPTION = 200;

// Shown in a page and in the audit log: no control characters, nothing that turns the reading direction.
function plainText(text: string, max: number): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .slice(0, max)
    .toWellFormed();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

async function connectorOf(name: string, context: AuthContext): Promise<Connector> {
  for (const kind of ['oidc', 'saml', 'github'] as const) {
    const found = await context.records.read(kind, name);
    if (found !== undefined) return found.resource;
  }
  throw unknownConnector(name);
}

async function webAddress(context: AuthContext): Promise<string> {
  const [proxy] = await context.records.list('proxy_server');
  if (proxy === undefined)
    throw new UpstreamError('NO_PROXY', 'the cluster has no living proxy that a browser could go to', {
      retryable: true,
    });
  return `https://${proxy.resource.spec.public_addr}`;
}
