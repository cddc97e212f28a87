import { X509Certificate } from 'node:crypto';
import type { AuthConnection } from '../../../rpc/client.ts';
import type { Clock } from '../../../telemetry/clock.ts';
import { parseProxyAddress } from '../../address.ts';
import { failure } from '../../failure.ts';
import type { Io } from '../../io.ts';
import { signInAgain } from '../login.ts';
import { readKeyPair } from '../profile.ts';
import type { DatabaseLogin, IssuedRoute, RouteRequest } from '../route-certificate.ts';
import { requestRoute } from '../route-certificate.ts';
import type { SecondFactors } from '../second-factors.ts';
import type { Session } from '../session.ts';
import { connectSession, openSession } from '../session.ts';
import { dialProxy } from './dial.ts';
import type { Endpoint, EndpointLimits, EndpointOptions, EndpointWatcher } from './endpoint.ts';
import { openEndpoint } from './endpoint.ts';
import { LOCAL_PROTOCOLS } from './opening.ts';
import type { RouteCredential } from './route-keeper.ts';
import { RouteKeeper } from './route-keeper.ts';

/** One database, one user: what a tunnel leads to, and the first certificate for it. */
export type TunnelRoute = RouteRequest & { readonly credential: RouteCredential };

export type TunnelOptions = {
  readonly listen: EndpointOptions['listen'];
  readonly limits: EndpointLimits;
  readonly watcher: EndpointWatcher;
  /** Lines about the certificate. */
  readonly tell: (line: string) => void;
  /** Where somebody can be asked to sign in again: wraps the questions, so that nothing else writes in between. */
  readonly asking: ((ask: () => Promise<void>) => Promise<void>) | undefined;
  /** Shows second factors for new certificates where each session needs one; undefined: nobody is asked. */
  readonly factors: SecondFactors | undefined;
  /** Ctrl-C at a question. */
  readonly onCancelled: () => void;
  readonly clock: Clock;
};

export type Tunnel = {
  readonly endpoint: Endpoint;
  /** When the certificate in use ends, milliseconds since 1970. */
  expiresMs(): number;
  /** Ends in order: {@link Endpoint.close}. */
  close(): Promise<void>;
  destroy(): void;
};

/** A local endpoint whose connections go to the proxy with the route's certificate, which is renewed while it is open. Throws when it can not listen. */
export async function openTunnel(
  io: Io,
  session: Session,
  route: TunnelRoute,
  options: TunnelOptions,
): Promise<Tunnel> {
  const protocol = LOCAL_PROTOCOLS.get(route.protocol);
  if (protocol === undefined)
    throw failure(
      'PROTOCOL_UNSUPPORTED',
      `${route.service} speaks ${route.protocol}, which this version of tsh has no tunnel for`,
      'databases with their protocols: tsh db ls -v',
    );
  const { asking, factors } = options;
  // Only questions in this terminal need it for themselves.
  const quietly = asking ?? ((ask: () => Promise<void>) => ask());
  const keeper = new RouteKeeper(route.credential, {
    name: route.service,
    signInCommand: `tsh login --proxy=${session.profile.proxy} --user=${session.profile.user}`,
    authorities: () => session.store.proxyAuthorities(session.profile.proxy),
    issue: () => renew(io, session, route, (connection, request) => requestRoute(connection, request)),
    prove: factors === undefined ? undefined : () => askedFor(io, session, route, factors, quietly),
    sessionEndsMs: () => session.store.identity(session.profile)?.x509.validToDate.getTime(),
    signIn: asking === undefined ? undefined : () => asking(() => signInAgain(io, session.store, session.profile)),
    onCancelled: options.onCancelled,
    tell: options.tell,
    clock: options.clock,
  });
  const target = {
    proxy: parseProxyAddress(session.profile.proxy),
    protocol: route.protocol,
    timeoutMs: DIAL_TIMEOUT_MS,
  };
  try {
    const endpoint = await openEndpoint({
      listen: options.listen,
      protocol,
      dial: async () => dialProxy(target, await keeper.context()),
      watcher: options.watcher,
      limits: options.limits,
      clock: options.clock,
    });
    return {
      endpoint,
      expiresMs: () => keeper.expiresMs,
      async close() {
        keeper.close();
        await endpoint.close();
      },
      destroy() {
        keeper.close();
        endpoint.destroy();
      },
    };
  } catch (error) {
    keeper.close();
    throw error;
  }
}

/** The route of a login that is on disk. */
export function routeOfLogin(login: DatabaseLogin): TunnelRoute {
  const pair = readKeyPair(login.path);
  if (pair === undefined)
    throw failure('NOT_LOGGED_IN', `not logged in to ${login.service}`, `tsh db login ${login.service}`);
  const { service, protocol, user, database } = login;
  return { service, protocol, user, database, credential: credentialOf(pair, pair.x509.validFromDate.getTime()) };
}

/** The route of a certificate that is nowhere but in memory. */
export function routeOfIssued(issued: IssuedRoute, nowMs: number): TunnelRoute {
  const { service, protocol, user, database } = issued;
  return { service, protocol, user, database, credential: credentialOf(issued, nowMs) };
}

/** {@link renewProven}, while nothing else writes to the terminal. */
async function askedFor(
  io: Io,
  session: Session,
  route: TunnelRoute,
  factors: SecondFactors,
  quietly: (ask: () => Promise<void>) => Promise<void>,
): Promise<RouteCredential> {
  const { promise, resolve } = Promise.withResolvers<RouteCredential>();
  await quietly(async () => resolve(await renewProven(io, session, route, factors)));
  return promise;
}

function renewProven(io: Io, session: Session, route: TunnelRoute, factors: SecondFactors): Promise<RouteCredential> {
  return renew(io, session, route, (connection, request, now) =>
    factors.run({ session: now, connection }, `open ${route.service}`, (shown) =>
      requestRoute(connection, request, shown),
    ),
  );
}

/** From the session that is on disk now, which may be a newer one than the tunnel began with. */
async function renew(
  io: Io,
  session: Session,
  { service, protocol, user, database }: TunnelRoute,
  ask: (connection: AuthConnection, request: RouteRequest, now: Session) => Promise<IssuedRoute>,
): Promise<RouteCredential> {
  const now = openSession(io, { proxy: session.profile.proxy, user: session.profile.user });
  const connection = await connectSession(io, now);
  try {
    return credentialOf(await ask(connection, { service, protocol, user, database }, now), io.nowMs());
  } finally {
    connection.close();
  }
}

/** `sinceMs`: a certificate's own beginning is set back a little for clocks that differ. */
function credentialOf(
  pair: { readonly certificate: string; readonly privateKey: string; readonly proven?: boolean },
  sinceMs: number,
): RouteCredential {
  return {
    certificate: pair.certificate,
    privateKey: pair.privateKey,
    validFromMs: sinceMs,
    proven: pair.proven === true,
    expiresMs: new X509Certificate(pair.certificate).validToDate.getTime(),
  };
}

const DIAL_TIMEOUT_MS = 10_000;
