/**
 * A company's OpenID provider: `oidc-provider` on a loopback port, with sign-in and consent pages of its own, people whose groups change and who leave. Real protocol, real pages: a browser or
 * {@link OidcBrowser} drives it.
 */
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** `password` is what the page asks for. */
export type OidcPerson = {
  readonly password: string;
  readonly groups: readonly string[];
  readonly email?: string;
  /** Default true. */
  readonly emailVerified?: boolean;
  readonly name?: string;
  /** Further claims of the scope `profile`. */
  readonly more?: Readonly<Record<string, unknown>>;
};

export type OidcServerOptions = {
  /** Where answers may go. */
  readonly redirectUris: readonly string[];
  readonly people: Readonly<Record<string, OidcPerson>>;
  /** Default 0: any. */
  readonly port?: number;
  /** What the provider says of how the person signed in; default `urn:test:password`. */
  readonly acr?: string;
};

export const OIDC_CLIENT = { id: 'tessera', secret: 'stand-in-secret-of-the-test-client' } as const;

/** A running provider. `people` may be changed at any time; who is not there can not sign in. */
export type OidcServer = {
  readonly issuer: string;
  readonly people: Map<string, OidcPerson>;
  close(): Promise<void>;
};

export async function startOidc(options: OidcServerOptions): Promise<OidcServer> {
  const server = createServer();
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const people = new Map(Object.entries(options.people));
  const Provider = await loadProvider();
  const provider = await quietly(() => new Provider(issuer, configurationOf(options, people)));
  const handle = provider.callback();
  server.on('request', (request, response) => {
    if (request.url?.startsWith(PAGE) !== true) return void handle(request, response);
    void interact({ request, response, provider, people, options }).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  return {
    issuer,
    people,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function configurationOf(options: OidcServerOptions, people: ReadonlyMap<string, OidcPerson>): object {
  return {
    clients: [
      {
        client_id: OIDC_CLIENT.id,
        client_secret: OIDC_CLIENT.secret,
        redirect_uris: options.redirectUris,
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    pkce: { required: () => true },
    acrValues: ['urn:test:password', 'urn:test:two-factors'],
    scopes: ['openid', 'email', 'profile', 'groups'],
    claims: {
      openid: ['sub', 'acr', 'auth_time'],
      email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username', 'realm_access'],
      groups: ['groups'],
    },
    // Claims stand in the ID token, as most products do.
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context: unknown, interaction: { readonly uid: string }) => `${PAGE}${interaction.uid}` },
    findAccount: (_context: unknown, id: string) => {
      const person = people.get(id);
      return person === undefined ? undefined : { accountId: id, claims: () => Promise.resolve(claimsOf(id, person)) };
    },
    cookies: { keys: ['test'] },
    ttl: { AccessToken: 600, IdToken: 600, Interaction: 600, Session: 3600, Grant: 3600 },
  };
}

function claimsOf(id: string, person: OidcPerson): object {
  return {
    sub: id,
    preferred_username: id,
    name: person.name ?? id,
    email: person.email ?? `${id}@example.com`,
    email_verified: person.emailVerified ?? true,
    groups: person.groups,
    ...person.more,
  };
}

/** The sign-in page, then the consent page. */
async function interact(of: Interaction): Promise<void> {
  const { request, response, provider, people, options } = of;
  const details = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return page(response, details.prompt.name, '');
  const form = new URLSearchParams(await text(request));
  if (details.prompt.name === 'login') {
    const login = form.get('login') ?? '';
    const person = people.get(login);
    if (person === undefined || person.password !== form.get('password'))
      return page(response, 'login', 'Wrong name or password');
    const result = { login: { accountId: login, acr: options.acr ?? 'urn:test:password', amr: ['pwd'] } };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  const grant = new provider.Grant({ accountId: details.session?.accountId ?? '', clientId: details.params.client_id });
  grant.addOIDCScope('openid email profile groups');
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

function page(response: ServerResponse, prompt: string, problem: string): void {
  const fields =
    prompt === 'login'
      ? '<label>Name <input name="login" autocomplete="off"></label><label>Password <input name="password" type="password"></label>'
      : '<p>Tessera wants to know who you are.</p>';
  response.statusCode = problem === '' ? 200 : 401;
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(
    `<!doctype html><title>Test provider</title><h1>${prompt === 'login' ? 'Sign in' : 'Allow'}</h1><p role="alert">${problem}</p><form method="post">${fields}<button name="prompt" value="${prompt}">Continue</button></form>`,
  );
}

/** A browser without a screen: cookies, redirects, and the two forms. */
export class OidcBrowser {
  readonly #jar = new Map<string, string>();

  /** Goes on until the provider sends the browser to `redirectPrefix`: that address. Throws with the page's text when it does not get there. */
  async signIn(
    url: string,
    person: { readonly login: string; readonly password: string },
    redirectPrefix: string,
  ): Promise<URL> {
    let response = await this.#go(url);
    let at = url;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const location = response.headers.get('location');
      if (location !== null) {
        const next = new URL(location, at);
        if (next.href.startsWith(redirectPrefix)) return next;
        at = next.href;
        response = await this.#go(at);
        continue;
      }
      const body = await response.text();
      if (response.status !== 200) throw new Error(`the provider answered ${response.status}: ${plain(body)}`);
      response = await this.#go(at, new URLSearchParams({ ...person }));
    }
    throw new Error('the provider went round in circles');
  }

  async #go(url: string, form?: URLSearchParams): Promise<Response> {
    const cookie = [...this.#jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      this.#jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }
}

function plain(html: string): string {
  return html.replaceAll(/<[^>]*>/g, ' ').slice(0, 500);
}

type Interaction = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly provider: Provider;
  readonly people: ReadonlyMap<string, OidcPerson>;
  readonly options: OidcServerOptions;
};
type ProviderClass = new (issuer: string, configuration: object) => Provider;
/** The part of oidc-provider that is used; it comes without types. */
type Provider = {
  callback(): (request: IncomingMessage, response: ServerResponse) => unknown;
  interactionDetails(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<{
    readonly prompt: { readonly name: string };
    readonly params: { readonly client_id: string };
    readonly session?: { readonly accountId: string };
  }>;
  interactionFinished(
    request: IncomingMessage,
    response: ServerResponse,
    result: object,
    options: object,
  ): Promise<void>;
  readonly Grant: new (of: { readonly accountId: string; readonly clientId: string }) => {
    addOIDCScope(scope: string): void;
    save(): Promise<string>;
  };
};

const require = createRequire(import.meta.url);

async function loadProvider(): Promise<ProviderClass> {
  const module = await quietly(() => require('oidc-provider') as { readonly default: ProviderClass });
  return module.default;
}

/** It warns of every version of Node but one, and of what a test has and a product must not. */
async function quietly<T>(work: () => T | Promise<T>): Promise<T> {
  const { warn, info } = console;
  console.warn = () => {};
  console.info = () => {};
  try {
    return await work();
  } finally {
    Object.assign(console, { warn, info });
  }
}

const PAGE = '/interaction/';
const MAX_STEPS = 20;
