/**
 * A stand-in for a company's SAML provider, always there: `samlp` on a loopback port behind a sign-in form. It is a SAML provider of a library, no product; SimpleSAMLphp
 * (simplesamlphp.ts) is the real one.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { makeSamlKeyPair } from '../../src/sso/saml/key-pair.ts';
import { people, type SimpleSamlPhpOptions } from './simplesamlphp.ts';

export type SamlStandIn = {
  readonly metadataUrl: string;
  readonly metadata: string;
  /** Where a sign-in begins at the provider. */
  readonly initiateUrl: string;
  close(): Promise<void>;
};

/** The part of samlp that is used; it comes without types. */
type Samlp = { auth(settings: object): (request: object, response: object, failed: (error: unknown) => void) => void };
const require = createRequire(import.meta.url);
const samlp = require('samlp') as Samlp;

const ENTITY = 'urn:tessera:test:idp';

/** The same people and options as SimpleSAMLphp's. Signatures of requests are not checked; what is encrypted is by AES-256-GCM. */
export async function startSamlStandIn(options: SimpleSamlPhpOptions): Promise<SamlStandIn> {
  const keys = await makeSamlKeyPair('stand-in', Date.now());
  let base = '';
  const settings = {
    issuer: ENTITY,
    cert: keys.cert,
    key: keys.private_key,
    audience: options.entityId,
    recipient: options.acs,
    destination: options.acs,
    signatureAlgorithm: 'rsa-sha256',
    digestAlgorithm: 'sha256',
    signResponse: options.signResponse ?? true,
    getPostURL: (_audience: unknown, _request: unknown, _http: unknown, done: (error: null, url: string) => void) =>
      done(null, options.acs),
    getUserFromRequest: (request: { user: unknown }) => request.user,
    profileMapper: Profile,
    ...(options.encryptionCertificate === undefined
      ? {}
      : {
          encryptionCert: options.encryptionCertificate,
          encryptionPublicKey: new X509Certificate(options.encryptionCertificate).publicKey.export({
            type: 'spki',
            format: 'pem',
          }),
        }),
  };
  const server = createServer((request, response) => {
    void answer(request, response, { base, certificate: keys.cert, settings }).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    metadataUrl: `${base}/metadata`,
    metadata: metadataOf(base, keys.cert),
    initiateUrl: `${base}/sso`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Settings = { readonly base: string; readonly certificate: string; readonly settings: object };

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { base, certificate, settings }: Settings,
): Promise<void> {
  const url = new URL(request.url ?? '/', base);
  if (url.pathname === '/metadata') {
    response.setHeader('content-type', 'application/samlmetadata+xml').end(metadataOf(base, certificate));
    return;
  }
  if (request.method !== 'POST') {
    const action = `/sso${url.search}`.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
    response
      .setHeader('content-type', 'text/html')
      .end(
        `<!doctype html><title>Stand-in</title><form method="post" action="${action}"><label>User <input name="username"></label><label>Password <input name="password" type="password"></label><button>Sign in</button></form>`,
      );
    return;
  }
  const form = new URLSearchParams(await text(request));
  const name = form.get('username') ?? '';
  const person = name === 'alice' || name === 'bob' ? people[name] : undefined;
  if (person === undefined || person.password !== form.get('password')) {
    response.statusCode = 401;
    response.end('wrong user or password');
    return;
  }
  samlp.auth(settings)(expressed(request, url, { name, ...person }), expressedResponse(response), (error) => {
    response.statusCode = 500;
    response.end(`failed: ${String(error)}`);
  });
}

/** samlp wants what Express adds to a request and a response. */
function expressed(request: IncomingMessage, url: URL, user: object): object {
  return Object.assign(request, {
    query: Object.fromEntries(url.searchParams),
    body: {},
    user,
    protocol: 'http',
    originalUrl: url.pathname + url.search,
    get: (name: string) => request.headers[name.toLowerCase()],
  });
}

function expressedResponse(response: ServerResponse): object {
  return Object.assign(response, {
    set: (name: string, value: string) => response.setHeader(name, value),
    send: (body: string) => response.setHeader('content-type', 'text/html').end(body),
    status: (code: number) => Object.assign(response, { statusCode: code }),
  });
}

/** What samlp asks of a mapper: claims by name, and the NameID. */
function Profile(user: { readonly name: string; readonly email: string; readonly groups: readonly string[] }): object {
  return {
    getClaims: () => ({ email: user.email, groups: user.groups }),
    getNameIdentifier: () => ({
      nameIdentifier: user.name,
      nameIdentifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    }),
  };
}

function metadataOf(base: string, certificate: string): string {
  return `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${ENTITY}">
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${certificate.replaceAll(/-----[^-]+-----|\s/g, '')}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${base}/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
`;
}
