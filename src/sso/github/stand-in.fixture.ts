import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** For tests: a stand-in for GitHub, as far as a sign-in asks it (GitHub itself can not be run). Answers in the shapes of its documentation. */
export class GithubStandIn {
  readonly url: string;
  user: { readonly id: number; readonly login: string } | undefined = { id: 42, login: 'alice' };
  teams: readonly (readonly [organization: string, slug: string])[] = [];
  /** Paths and queries that were asked for with a good token. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #codes = new Map<string, URLSearchParams>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => {
      void this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  static async start(): Promise<GithubStandIn> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new GithubStandIn(server);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The person says yes: what the browser comes back with. */
  authorize(url: string): string {
    const asked = new URL(url).searchParams;
    const code = `code${this.#codes.size}`;
    this.#codes.set(code, asked);
    return new URLSearchParams({ code, state: asked.get('state') ?? '' }).toString();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    if (url.pathname === '/login/oauth/access_token')
      return this.#token(new URLSearchParams(await text(request)), response);
    if (request.headers.authorization !== 'Bearer gho_token')
      return json(response, 401, { message: 'Bad credentials' });
    this.asked.push(`${url.pathname}${url.search}`);
    if (url.pathname === '/api/v3/user') return json(response, this.user === undefined ? 404 : 200, this.user ?? {});
    if (url.pathname !== '/api/v3/user/teams') return json(response, 404, {});
    const size = Number(url.searchParams.get('per_page'));
    const page = Number(url.searchParams.get('page'));
    const teams = this.teams.slice((page - 1) * size, page * size);
    return json(
      response,
      200,
      teams.map(([login, slug]) => ({ id: 1, name: `The ${slug}`, slug, organization: { login } })),
    );
  }

  // GitHub says refusals with status 200.
  #token(form: URLSearchParams, response: ServerResponse): void {
    const asked = this.#codes.get(form.get('code') ?? '');
    this.#codes.delete(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (form.get('client_secret') !== 'secret') return json(response, 200, { error: 'incorrect_client_credentials' });
    if (asked?.get('code_challenge') !== challenge || asked.get('redirect_uri') !== form.get('redirect_uri'))
      return json(response, 200, { error: 'bad_verification_code' });
    return json(response, 200, { access_token: 'gho_token', token_type: 'bearer', scope: 'read:org' });
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
