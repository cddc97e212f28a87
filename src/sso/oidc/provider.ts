import * as client from 'openid-client';
import * as z from 'zod';
import { LoginError, type TesseraError } from '../../errors.ts';
import type { OidcConnector } from '../../resource/resource.ts';
import type { Fetch } from '../bounded-fetch.ts';
import type { ConnectorSecrets, Provider, ProviderAnswer, Trace } from '../connector.ts';
import { readClaims, type Claims } from './claims.ts';
import { Discovery, innerFault } from './discovery.ts';

/** OpenID Connect: authorization code with PKCE, state and nonce; ID token and userinfo. */

/** maxProviderParametersLength: of what the browser brings back. */
const MAX_PARAMETERS = 16 * 1024;

const keptSchema = z.strictObject({ verifier: z.string(), nonce: z.string(), redirectUrl: z.string() });

/**
 * One connector. Keep it while its record is the same: what the provider says of itself is remembered here. `fetch` must be bounded (bounded-fetch.ts).
 */
export function oidcProvider(
  connector: OidcConnector,
  secrets: ConnectorSecrets,
  deps: { readonly fetch: Fetch; readonly now: () => number },
): Provider {
  const { spec } = connector;
  const discovery = new Discovery(connector, secrets.clientSecret, deps);
  return {
    async begin({ requestId, origin }) {
      const config = await discovery.config();
      const kept = {
        verifier: client.randomPKCECodeVerifier(),
        nonce: client.randomNonce(),
        redirectUrl: redirectFor(spec.redirect_url, origin),
      };
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: kept.redirectUrl,
        response_type: 'code',
        scope: spec.scope.join(' '),
        state: requestId,
        nonce: kept.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(kept.verifier),
        code_challenge_method: 'S256',
        ...(spec.prompt === undefined ? {} : { prompt: spec.prompt }),
        ...(spec.acr_values === undefined ? {} : { acr_values: spec.acr_values }),
        ...(spec.max_age === undefined ? {} : { max_age: String(Math.floor(spec.max_age / 1000)) }),
      });
      return { redirectUrl: url.href, kept };
    },
    async finish({ parameters, kept, requestId }, trace) {
      const known = keptSchema.safeParse(kept);
      if (requestId === undefined || !known.success)
        throw new LoginError('SSO_UNSOLICITED', 'oidc answer: nobody asked for it');
      const config = await discovery.config();
      trace({ name: 'discovery', ok: true, detail: `issuer ${config.serverMetadata().issuer}` });
      try {
        return await exchange(config, spec, { parameters, requestId, ...known.data }, trace);
      } catch (error) {
        throw answerFault(error, trace);
      }
    },
  };
}

type Answer = z.infer<typeof keptSchema> & { readonly parameters: string; readonly requestId: string };

async function exchange(
  config: client.Configuration,
  spec: OidcConnector['spec'],
  answer: Answer,
  trace: Trace,
): Promise<ProviderAnswer> {
  if (answer.parameters.length > MAX_PARAMETERS)
    throw new LoginError(
      'SSO_ANSWER_REFUSED',
      `oidc answer: longer than maxProviderParametersLength ${MAX_PARAMETERS}`,
    );
  const url = new URL(answer.redirectUrl);
  url.search = answer.parameters;
  const tokens = await client.authorizationCodeGrant(config, url, {
    expectedState: answer.requestId,
    expectedNonce: answer.nonce,
    pkceCodeVerifier: answer.verifier,
    idTokenExpected: true,
    ...(spec.max_age === undefined ? {} : { maxAge: Math.floor(spec.max_age / 1000) }),
  });
  const idToken = tokens.claims();
  if (idToken === undefined) throw new LoginError('SSO_ANSWER_REFUSED', 'oidc answer: it has no ID token');
  trace({
    name: 'answer',
    ok: true,
    detail: 'state, code, PKCE, issuer, audience, nonce, times and signature are good',
  });
  const userInfo = await userInfoOf(config, tokens.access_token, idToken.sub, trace);
  return readClaims({ idToken, userInfo }, spec, trace);
}

async function userInfoOf(config: client.Configuration, token: string, subject: string, trace: Trace): Promise<Claims> {
  if (config.serverMetadata().userinfo_endpoint === undefined) return {};
  const claims = await client.fetchUserInfo(config, token, subject);
  trace({ name: 'userinfo', ok: true, detail: 'of the same subject' });
  return claims;
}

/** The address among the connector's that the browser came by, else the first. */
function redirectFor(urls: readonly string[], origin: string | undefined): string {
  return urls.find((url) => new URL(url).origin === origin) ?? urls[0] ?? '';
}

/** In words of ours: the library's messages may hold what the provider sent. */
function answerFault(error: unknown, trace: Trace): TesseraError {
  const known = innerFault(error);
  if (known !== undefined) {
    if (known.code === 'PROVIDER_UNREACHABLE') trace({ name: 'answer', ok: false, detail: known.message });
    return known;
  }
  const detail = reasonOf(error);
  trace({ name: 'answer', ok: false, detail });
  return new LoginError('SSO_ANSWER_REFUSED', `oidc answer: ${detail}`, {
    cause: error,
    publicMessage: 'the answer of the identity provider was refused; the audit log says why',
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof client.AuthorizationResponseError)
    return `the provider said no: ${plain(error.error)}${error.error_description === undefined ? '' : ` (${plain(error.error_description)})`}`;
  if (error instanceof client.ResponseBodyError)
    return `the provider did not take the code: ${plain(error.error)}${error.error === 'invalid_client' ? '; is client_secret right?' : ''}`;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
  const words = error instanceof Error ? error.message : 'not understood';
  return plain([words, code, cause].filter((part) => part !== undefined && part !== '').join(': '));
}

function plain(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]/g, '').slice(0, MAX_SHOWN);
}

const MAX_SHOWN = 300;
