import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { LoginError } from '../../errors.ts';
import type { GithubConnector } from '../../resource/resource.ts';
import { ATTRIBUTE_LIMITS } from '../attributes.ts';
import type { Fetch } from '../bounded-fetch.ts';
import type { ConnectorSecrets, Provider, ProviderAnswer, Trace } from '../connector.ts';
import { GITHUB_TEAM_PATHS } from '../mapping.ts';
import { exchangeCode, readTeams, readUser } from './api.ts';

/** GitHub and GitHub Enterprise Server: OAuth code with state and PKCE (servers that do not know it ignore it), then organisations and teams from the REST API. */

const keptSchema = z.strictObject({ verifier: z.string(), redirectUrl: z.string() });
/** GitHub's codes and states are short. */
const MAX_PARAMETERS = 4096;

/** One connector. `fetch` must be bounded (bounded-fetch.ts). */
export function githubProvider(
  connector: GithubConnector,
  secrets: ConnectorSecrets,
  deps: { readonly fetch: Fetch },
): Provider {
  const { spec } = connector;
  const endpoint = (spec.endpoint_url ?? 'https://github.com').replace(/\/+$/, '');
  const api = apiOf(spec.api_endpoint_url, endpoint);
  return {
    begin({ requestId }) {
      const kept = { verifier: randomBytes(48).toString('base64url'), redirectUrl: spec.redirect_url };
      const url = new URL(`${endpoint}/login/oauth/authorize`);
      url.search = new URLSearchParams({
        client_id: spec.client_id,
        redirect_uri: kept.redirectUrl,
        scope: 'read:org',
        state: requestId,
        allow_signup: 'false',
        code_challenge: createHash('sha256').update(kept.verifier).digest('base64url'),
        code_challenge_method: 'S256',
      }).toString();
      return Promise.resolve({ redirectUrl: url.href, kept });
    },
    async finish({ parameters, kept, requestId }, trace) {
      const known = keptSchema.safeParse(kept);
      if (requestId === undefined || !known.success)
        throw new LoginError('SSO_UNSOLICITED', 'github answer: nobody asked for it');
      const code = codeOf(parameters, requestId, trace);
      const token = await exchangeCode(
        {
          endpoint,
          clientId: spec.client_id,
          clientSecret: secrets.clientSecret ?? '',
          code,
          ...known.data,
        },
        deps.fetch,
      );
      trace({ name: 'answer', ok: true, detail: 'state and code are good' });
      return readPerson(api, token, { spec, fetch: deps.fetch }, trace);
    },
  };
}

async function readPerson(
  api: string,
  token: string,
  { spec, fetch }: { readonly spec: GithubConnector['spec']; readonly fetch: Fetch },
  trace: Trace,
): Promise<ProviderAnswer> {
  const user = await readUser(api, token, fetch);
  trace({ name: 'username', ok: true, detail: `login is ${JSON.stringify(user.login)}, number ${user.id}` });
  const wanted = new Set(spec.teams_to_roles.map(({ organization }) => organization.toLowerCase()));
  const teams = (await readTeams(api, token, fetch)).filter(({ organization }) => wanted.has(organization));
  if (teams.length > ATTRIBUTE_LIMITS.values)
    throw new LoginError(
      'SSO_ATTRIBUTES_TOO_MANY',
      `the provider says ${teams.length} teams of this person: maxAttributeValues ${ATTRIBUTE_LIMITS.values}`,
    );
  const attributes = {
    github_login: [user.login],
    github_orgs: unique(teams.map(({ organization }) => organization)),
    github_teams: unique(teams.map(({ team }) => team)),
    [GITHUB_TEAM_PATHS]: unique(teams.map(({ organization, team }) => `${organization}/${team}`)),
  };
  trace({ name: 'claims', ok: true, detail: JSON.stringify(attributes) });
  return { subject: String(user.id), username: user.login, attributes, raw: attributes, hidden: [GITHUB_TEAM_PATHS] };
}

function codeOf(parameters: string, requestId: string, trace: Trace): string {
  const query = new URLSearchParams(parameters.slice(0, MAX_PARAMETERS));
  const refuse = (detail: string): LoginError => {
    trace({ name: 'answer', ok: false, detail });
    return new LoginError('SSO_ANSWER_REFUSED', `github answer: ${detail}`, {
      publicMessage: 'the answer of the identity provider was refused; the audit log says why',
    });
  };
  if (parameters.length > MAX_PARAMETERS) throw refuse(`longer than maxProviderParametersLength ${MAX_PARAMETERS}`);
  if (query.getAll('state').length !== 1 || query.get('state') !== requestId) throw refuse('its state is another one');
  const error = query.get('error');
  if (error !== null) throw refuse(`the provider said no: ${error.replaceAll(/[^\w.-]/g, '').slice(0, 64)}`);
  const [code, ...more] = query.getAll('code');
  if (code === undefined || code === '' || more.length > 0) throw refuse('expected one code');
  return code;
}

/** GitHub.com's API is a host of its own, GitHub Enterprise Server's a path. */
function apiOf(configured: string | undefined, endpoint: string): string {
  if (configured !== undefined) return configured.replace(/\/+$/, '');
  return endpoint === 'https://github.com' ? 'https://api.github.com' : `${endpoint}/api/v3`;
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
