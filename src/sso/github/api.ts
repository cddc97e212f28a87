import * as z from 'zod';
import { LimitError, LoginError, UpstreamError } from '../../errors.ts';
import type { Fetch } from '../bounded-fetch.ts';

/** The few calls of GitHub's REST API that a sign-in needs. https://docs.github.com/rest (version 2022-11-28). */

/** Teams a page, and pages at most (maxGithubPages): 5000 teams of one person. */
const PAGE_SIZE = 100;
const MAX_PAGES = 50;

const userSchema = z.object({ id: z.number().int().positive(), login: z.string().min(1).max(100) });
const teamsSchema = z.array(
  z.object({ slug: z.string().min(1).max(256), organization: z.object({ login: z.string().min(1).max(100) }) }),
);
const tokenSchema = z.object({ access_token: z.string().min(1).max(1024), token_type: z.string().max(32) });
const refusalSchema = z.object({ error: z.string() });

export type GithubUser = Readonly<z.infer<typeof userSchema>>;
export type GithubTeam = { readonly organization: string; readonly team: string };

/** A code for a token. Throws LoginError `SSO_ANSWER_REFUSED` when GitHub does not take it. */
export async function exchangeCode(
  of: {
    readonly endpoint: string;
    readonly clientId: string;
    readonly clientSecret: string;
    readonly code: string;
    readonly verifier: string;
    readonly redirectUrl: string;
  },
  fetch: Fetch,
): Promise<string> {
  const response = await fetch(`${of.endpoint}/login/oauth/access_token`, {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams({
      client_id: of.clientId,
      client_secret: of.clientSecret,
      code: of.code,
      redirect_uri: of.redirectUrl,
      code_verifier: of.verifier,
    }),
  });
  const body = await json(response, of.endpoint);
  const token = tokenSchema.safeParse(body);
  if (token.success) return token.data.access_token;
  // GitHub says its refusals with status 200.
  const refusal = refusalSchema.safeParse(body);
  const why = refusal.success
    ? refusal.data.error.replaceAll(/[^\w.-]/g, '').slice(0, 64)
    : `status ${response.status}`;
  throw new LoginError('SSO_ANSWER_REFUSED', `github answer: the code was not taken: ${why}`, {
    publicMessage: 'the answer of the identity provider was refused; the audit log says why',
  });
}

/** Who the token is of. */
export async function readUser(api: string, token: string, fetch: Fetch): Promise<GithubUser> {
  const parsed = userSchema.safeParse(await get(`${api}/user`, token, fetch));
  if (!parsed.success) throw notAsExpected(api, '/user');
  return parsed.data;
}

/** Every team that the person is an active member of, in the organisations that let this application see it. */
export async function readTeams(api: string, token: string, fetch: Fetch): Promise<readonly GithubTeam[]> {
  const teams: GithubTeam[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const parsed = teamsSchema.safeParse(
      await get(`${api}/user/teams?per_page=${PAGE_SIZE}&page=${page}`, token, fetch),
    );
    if (!parsed.success) throw notAsExpected(api, '/user/teams');
    teams.push(
      ...parsed.data.map(({ slug, organization }) => ({
        organization: organization.login.toLowerCase(),
        team: slug.toLowerCase(),
      })),
    );
    if (parsed.data.length < PAGE_SIZE) return teams;
  }
  throw new LimitError(
    'GITHUB_TOO_MANY_TEAMS',
    `github: a person with more than ${MAX_PAGES * PAGE_SIZE} teams (maxGithubPages ${MAX_PAGES})`,
  );
}

async function get(url: string, token: string, fetch: Fetch): Promise<unknown> {
  const response = await fetch(url, {
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'user-agent': 'tessera',
      'x-github-api-version': '2022-11-28',
    },
  });
  if (response.ok) return json(response, url);
  const { host, pathname } = new URL(url);
  throw new UpstreamError('PROVIDER_REFUSED', `provider at ${host}: ${pathname} answered ${response.status}`, {
    retryable: response.status >= 500 || response.status === 429,
    publicMessage: 'the identity provider refused to say who you are; try again in a moment',
  });
}

async function json(response: Response, url: string): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    throw new UpstreamError(
      'PROVIDER_REFUSED',
      `provider at ${new URL(url).host}: expected JSON, got status ${response.status} with something else`,
      {
        cause,
        publicMessage: 'the identity provider can not be used; its answer is not as expected',
      },
    );
  }
}

function notAsExpected(api: string, path: string): UpstreamError {
  return new UpstreamError(
    'PROVIDER_REFUSED',
    `provider at ${new URL(api).host}: ${path} answered in another form than expected`,
    {
      publicMessage: 'the identity provider can not be used; its answer is not as expected',
    },
  );
}
