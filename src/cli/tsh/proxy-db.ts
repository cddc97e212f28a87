import { isIP } from 'node:net';
import type { Clock } from '../../telemetry/clock.ts';
import { systemClock } from '../../telemetry/clock.ts';
import type { Outcome } from '../command.ts';
import { printTime } from '../duration.ts';
import { UsageError } from '../failure.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { tell } from '../io.ts';
import { withProgress } from '../progress.ts';
import { shellQuote } from './connection-info.ts';
import { choose, listDatabases } from './databases.ts';
import type { RouteOptions } from './db-login.ts';
import { issueOrExplain, routeFor } from './db-login.ts';
import { activeLogin } from './route-certificate.ts';
import { SecondFactors, terminalPrompter } from './second-factors.ts';
import type { Session } from './session.ts';
import { connectSession, openSession } from './session.ts';
import { ENDPOINT_LIMITS } from './tunnel/endpoint.ts';
import { LiveView } from './tunnel/live-view.ts';
import type { LocalAddress } from './tunnel/recipes.ts';
import { recipeLines, recipesFor } from './tunnel/recipes.ts';
import type { Tunnel, TunnelRoute } from './tunnel/tunnel.ts';
import { openTunnel, routeOfIssued, routeOfLogin } from './tunnel/tunnel.ts';

export type ProxyDbOptions = RouteOptions & {
  readonly tunnel?: boolean | undefined;
  readonly port?: number | undefined;
  readonly listen?: string | undefined;
  readonly insecureListenAnywhere?: boolean | undefined;
  readonly maxConnections?: number | undefined;
  readonly format: Format;
};

/** What a tunnel runs by: `ends` ends it in order, `cuts` at once. */
export type TunnelRun = { readonly ends: AbortSignal; readonly cuts: AbortSignal; readonly clock: Clock };

/** Opens a local endpoint for one database and serves it until Ctrl-C. Exit code 0; 130 when a second Ctrl-C cut it. */
export async function proxyDb(
  io: Io,
  name: string | undefined,
  options: ProxyDbOptions,
  run?: TunnelRun,
): Promise<Outcome> {
  const listen = listenAddress(options);
  if (options.tunnel !== true)
    throw new UsageError(
      `only the tunnel is offered, so say that you mean it: tsh proxy db --tunnel ${shellQuote(name ?? '<database>')}\nwithout one, ordinary clients connect by themselves after: tsh db login ${shellQuote(name ?? '<database>')}`,
    );
  if (listen.anywhere) warnAnywhere(io, listen.host);
  const session = openSession(io, options);
  using prompter = terminalPrompter(io);
  const inBrowser = options.mfaMode === 'browser';
  const factors = new SecondFactors(io, options.mfaMode, prompter);
  const route = await routeTo(io, session, name, factors, options);
  using running = run === undefined ? processSignals() : { ...run, [Symbol.dispose]: () => {} };
  // Awaited here: what listens for signals goes when this function is left.
  const asked = prompter !== undefined || inBrowser ? factors : undefined;
  return await serve(io, session, { route, factors: asked }, listen, options, running);
}

async function serve(
  io: Io,
  session: Session,
  { route, factors }: { readonly route: TunnelRoute; readonly factors: SecondFactors | undefined },
  listen: ListenAddress,
  options: ProxyDbOptions,
  { ends, cuts, clock }: TunnelRun,
): Promise<Outcome> {
  const over = new AbortController();
  let tunnel: Tunnel | undefined;
  const view = new LiveView(
    io,
    systemClock,
    () => tunnel?.endpoint.totals() ?? { open: 0, accepted: 0, received: 0, sent: 0 },
  );
  const canAsk = io.stdin.isTTY === true && io.stderr.isTTY === true;
  tunnel = await openTunnel(io, session, route, {
    listen: { host: listen.host, port: listen.port },
    limits: { ...ENDPOINT_LIMITS, maxConnections: options.maxConnections ?? ENDPOINT_LIMITS.maxConnections },
    watcher: view,
    tell: (line) => view.line(line),
    asking: canAsk ? (ask) => view.whileAsking(ask) : undefined,
    factors,
    onCancelled: () => over.abort(),
    clock,
  });
  try {
    await announce(io, route, listen, tunnel, options);
    view.start();
    await aborted(AbortSignal.any([ends, cuts, over.signal]));
    view.close();
    const { open } = tunnel.endpoint.totals();
    tell(
      io,
      open === 0
        ? 'tunnel closed'
        : `closing ${open === 1 ? '1 connection' : `${open} connections`}; Ctrl-C again cuts`,
    );
    await Promise.race([tunnel.close(), aborted(cuts)]);
    return cuts.aborted ? CUT_EXIT : 0;
  } finally {
    view.close();
    tunnel.destroy();
  }
}

/** A login that is there and fits, else a certificate of the tunnel's own, which is kept in memory only: what `tsh db login` wrote stays as it is. */
async function routeTo(
  io: Io,
  session: Session,
  name: string | undefined,
  factors: SecondFactors,
  options: RouteOptions,
): Promise<TunnelRoute> {
  const there = name === undefined ? undefined : activeLogin(session.store, session.profile, name, io.nowMs());
  const fits = (login: { readonly user: string; readonly database: string }): boolean =>
    (options.dbUser ?? login.user) === login.user && (options.dbName ?? login.database) === login.database;
  if (there !== undefined && fits(there)) return routeOfLogin(there);
  const connection = await connectSession(io, session);
  try {
    const database = choose(io, await withProgress(io, 'looking it up', listDatabases(connection)), name, options);
    const known = activeLogin(session.store, session.profile, database.name, io.nowMs());
    if (known !== undefined && fits(known)) return routeOfLogin(known);
    const of = { session, connection, factors };
    return routeOfIssued(await issueOrExplain(io, of, database, routeFor(database, options, known)), io.nowMs());
  } finally {
    connection.close();
  }
}

async function announce(
  io: Io,
  route: TunnelRoute,
  listen: ListenAddress,
  tunnel: Tunnel,
  options: ProxyDbOptions,
): Promise<void> {
  const { service, protocol, user, database } = route;
  const port = tunnel.endpoint.port ?? listen.port;
  const at: LocalAddress = { host: ANY_ADDRESS.get(listen.host) ?? listen.host, port, user, database };
  const recipes = recipesFor(protocol, at);
  const value = { name: service, protocol, ...at, ...recipes };
  await print(io, options.format, value, () => {
    const where = database === '' ? '' : `, database ${database}`;
    return [
      `Tunnel to ${service} (${protocol}) as ${user}${where} listens on ${at.host}:${port}, without password, until Ctrl-C.`,
      `Next, in another terminal or program, one of:`,
      ...aligned(recipeLines(recipes)),
    ].join('\n');
  });
  const port0 = options.port === undefined && options.listen === undefined;
  if (port0) tell(io, `another time on the same port: --port=${port}`);
  const then = route.credential.proven
    ? 'after that new connections ask for a second factor again'
    : 'renewed while the sign-in lasts';
  tell(io, `certificate good until ${printTime(tunnel.expiresMs())}, ${then}`);
}

function aligned(lines: readonly (readonly [string, string])[]): string[] {
  const widest = Math.max(...lines.map(([label]) => label.length));
  return lines.map(([label, text]) => `  ${label.padEnd(widest)}  ${text}`);
}

type ListenAddress = { readonly host: string; readonly port: number; readonly anywhere: boolean };

/** Loopback unless the person insists. */
function listenAddress(options: ProxyDbOptions): ListenAddress {
  if (options.listen === undefined) return { host: '127.0.0.1', port: options.port ?? 0, anywhere: false };
  if (options.port !== undefined) throw new UsageError('give --port or --listen, not both');
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(options.listen);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (match === null || port > 65_535 || (isIP(host) === 0 && host !== 'localhost'))
    throw new UsageError(
      `--listen: expected address:port, for example 127.0.0.1:5433 or [::1]:5433, got "${options.listen}"`,
    );
  const anywhere = !isLoopback(host);
  if (anywhere && options.insecureListenAnywhere !== true)
    throw new UsageError(
      `--listen ${options.listen} is not this machine alone, and whoever reaches the tunnel is you on the database\nlisten on 127.0.0.1, or insist with --insecure-listen-anywhere`,
    );
  return { host, port, anywhere };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(host) || /^(0{0,4}:){2,7}0{0,3}1$/.test(host);
}

function warnAnywhere(io: Io, host: string): void {
  tell(
    io,
    `WARNING: --insecure-listen-anywhere: whoever can reach ${host} connects as you, without a password, and is recorded as you.`,
  );
  tell(io, 'WARNING: what passes between them and this tunnel is not encrypted.');
}

/** Ctrl-C or TERM ends in order, another one cuts; HUP (the terminal is gone) ends too. */
function processSignals(): TunnelRun & Disposable {
  const [ends, cuts] = [new AbortController(), new AbortController()];
  const onSignal = (): void => {
    if (ends.signal.aborted) cuts.abort();
    ends.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  return {
    ends: ends.signal,
    cuts: cuts.signal,
    clock: systemClock,
    [Symbol.dispose]: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Where a client on this machine finds an endpoint that listens on every address. */
const ANY_ADDRESS: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);
/** 128 + SIGINT. */
const CUT_EXIT = 130;
