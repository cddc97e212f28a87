import type { AuthConnection } from '../../rpc/client.ts';
import type { AuthTrust, ClientIdentity } from '../../rpc/dial.ts';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import { parseProxyAddress, printProxyAddress } from '../address.ts';
import type { KeyPair, Profile } from './profile.ts';
import { ProfileStore } from './profile.ts';

/** A person who is signed in on this machine. */
export type Session = { readonly store: ProfileStore; readonly profile: Profile; readonly identity: KeyPair };

/** Which proxy a command is for: its flag, else `TESSERA_PROXY`, else the current profile. */
export type Chosen = { readonly proxy?: string | undefined; readonly user?: string | undefined };

/** The session that `--proxy`/`TESSERA_PROXY` or the current profile names. Throws with what to type when there is none or it has expired. */
export function openSession(io: Io, chosen: Chosen): Session {
  const store = new ProfileStore(io);
  const proxy = chosen.proxy ?? io.env['TESSERA_PROXY'];
  const profile = store.read(proxy);
  const command = `tsh login --proxy=${proxy ?? profile?.proxy ?? '<host:port>'} --user=${chosen.user ?? profile?.user ?? io.env['TESSERA_USER'] ?? '<you>'}`;
  if (profile === undefined) throw failure('NOT_SIGNED_IN', 'not signed in', command);
  const user = chosen.user ?? io.env['TESSERA_USER'];
  if (user !== undefined && user !== profile.user) {
    throw failure('NOT_SIGNED_IN', `signed in to ${profile.proxy} as ${profile.user}, not as ${user}`, command);
  }
  const identity = store.identity(profile);
  if (identity === undefined)
    throw failure(
      'NOT_SIGNED_IN',
      `not signed in to ${profile.proxy}: no usable certificate in ${store.home}`,
      command,
    );
  if (!isValid(identity, io.nowMs())) {
    throw failure(
      'SESSION_EXPIRED',
      `the session with ${profile.proxy} ended at ${identity.x509.validToDate.toISOString()}`,
      command,
    );
  }
  return { store, profile, identity };
}

/** Whether a certificate may be used now, with a few seconds left to use it. */
export function isValid(pair: KeyPair, nowMs: number): boolean {
  return (
    pair.x509.validFromDate.getTime() <= nowMs + CLOCK_SKEW_MS && nowMs + MARGIN_MS < pair.x509.validToDate.getTime()
  );
}

/** A connection to Auth through the proxy, as the person. Close it. */
export async function connectSession(io: Io, session: Session): Promise<AuthConnection> {
  return connectThroughProxy(
    io,
    session.profile.proxy,
    { hostAuthorities: session.store.hostAuthorities(session.profile) },
    session.identity,
  );
}

/** A connection to Auth through a proxy's public port; anonymous without an identity. Close it. */
export async function connectThroughProxy(
  io: Io,
  proxy: string,
  trust: AuthTrust,
  identity?: ClientIdentity,
): Promise<AuthConnection> {
  const { connectAuth } = await import('../../rpc/client.ts');
  return connectAuth({
    addresses: [printProxyAddress(parseProxyAddress(proxy))],
    via: 'proxy',
    identity:
      identity === undefined ? undefined : { certificate: identity.certificate, privateKey: identity.privateKey },
    trust,
    log: debugLog(io),
  });
}

/** What the connection tells: nothing, or with `TESSERA_DEBUG` lines on stderr. */
export function debugLog(io: Io): {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
} {
  const write =
    io.env['TESSERA_DEBUG'] === undefined
      ? () => {}
      : (fields: object, message: string) => void io.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
  return { debug: write, warn: write };
}

const MARGIN_MS = 5000;
const CLOCK_SKEW_MS = 60_000;
