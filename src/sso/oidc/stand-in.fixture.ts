import { createHash, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** For tests: a stand-in for a provider that lies on demand, which no real one does. Real ones are in test/servers/. */

const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 });
const FOREIGN_KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 });
type Claims = Readonly<Record<string, unknown>>;

export class OidcStandIn {
  readonly issuer: string;
  /** Of the next ID token, over the honest ones. */
  idToken: Claims = {};
  userInfo: Claims | undefined = {};
  /** Over the honest metadata. Before the first sign-in. */
  metadata: Claims = {};
  /** Signs with a key that is not published. */
  foreignKey = false;
  /** Signs with this `alg`. */
  algorithm: 'RS256' | 'none' | 'HS256' = 'RS256';
  discoveries = 0;
  /** Answers nothing at all to discovery. */
  away = false;
  /** Bytes that discovery is padded with. */
  padding = 0;
  readonly #server: Server;
  /** What was asked for with each code: good once. */
  readonly #codes = new Map<
    string,
    { readonly nonce: string; readonly challenge: string; readonly redirectUri: string }
  >();

  private constructor(server: Server) {
    this.#server = server;
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => {
      void this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  static async start(): Promise<OidcStandIn> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new OidcStandIn(server);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The person says yes at once: what the browser comes back with. */
  authorize(url: string, more: Readonly<Record<string, string>> = {}): string {
    const asked = new URL(url).searchParams;
    const code = `code-${this.#codes.size}-${asked.get('state')?.slice(0, 8)}`;
    this.#codes.set(code, {
      nonce: asked.get('nonce') ?? '',
      challenge: asked.get('code_challenge') ?? '',
      redirectUri: asked.get('redirect_uri') ?? '',
    });
    return new URLSearchParams({ code, state: asked.get('state') ?? '', ...more }).toString();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', this.issuer);
    if (pathname === '/.well-known/openid-configuration') return this.#discovery(response);
    if (pathname === '/jwks') return json(response, 200, { keys: [this.#jwk()] });
    if (pathname === '/token') return this.#token(new URLSearchParams(await text(request)), response);
    if (pathname === '/userinfo') return json(response, 200, { sub: 'subject-1', ...this.userInfo });
    return json(response, 404, {});
  }

  #discovery(response: ServerResponse): void {
    this.discoveries += 1;
    if (this.away) return json(response, 503, {});
    return json(response, 200, {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/jwks`,
      response_types_supported: ['code'],
      ...(this.userInfo === undefined ? {} : { userinfo_endpoint: `${this.issuer}/userinfo` }),
      ...(this.padding === 0 ? {} : { padding: 'x'.repeat(this.padding) }),
      ...this.metadata,
    });
  }

  #token(form: URLSearchParams, response: ServerResponse): void {
    const code = this.#codes.get(form.get('code') ?? '');
    this.#codes.delete(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (code?.challenge !== challenge || code.redirectUri !== form.get('redirect_uri'))
      return json(response, 400, { error: 'invalid_grant' });
    const now = Math.floor(Date.now() / 1000);
    const honest = { iss: this.issuer, sub: 'subject-1', aud: 'tessera', iat: now, exp: now + 300, nonce: code.nonce };
    return json(response, 200, {
      access_token: 'access',
      token_type: 'Bearer',
      id_token: this.#sign({ ...honest, ...this.idToken }),
    });
  }

  #sign(claims: Claims): string {
    const head = encode({ alg: this.algorithm, kid: 'k1' });
    const body = `${head}.${encode(claims)}`;
    if (this.algorithm === 'none') return `${body}.`;
    const key: KeyObject = (this.foreignKey ? FOREIGN_KEYS : KEYS).privateKey;
    return `${body}.${createSign('sha256').update(body).sign(key, 'base64url')}`;
  }

  #jwk(): object {
    return { ...KEYS.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' };
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
