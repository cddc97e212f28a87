import { readIfThere } from '../files.ts';
import type { Outcome } from '../command.ts';
import { printDuration, printTime } from '../duration.ts';
import { failure } from '../failure.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { visible } from '../io.ts';
import type { Profile } from './profile.ts';
import { ProfileStore } from './profile.ts';
import { activeLogins } from './route-certificate.ts';

/** Shows every profile; exit code 1 when nobody is signed in with a certificate that is still good. */
export async function status(io: Io, options: { readonly format: Format }): Promise<Outcome> {
  const store = new ProfileStore(io);
  const current = store.currentName();
  const profiles = store.list();
  const active = store.read();
  if (profiles.length === 0 && options.format === 'text') {
    throw failure('NOT_SIGNED_IN', 'not signed in', 'tsh login --proxy=<host:port> --user=<you>');
  }
  const value = {
    active: active === undefined ? null : describe(io, store, active),
    profiles: profiles
      .filter((profile) => profile.proxy !== active?.proxy)
      .map((profile) => describe(io, store, profile)),
  };
  await print(io, options.format, value, () =>
    profiles
      .map((profile) => statusText(io, store, profile, current !== undefined && profile.proxy === active?.proxy))
      .join('\n\n'),
  );
  return active !== undefined && expiresMs(store, active) > io.nowMs() ? 0 : 1;
}

/** The block that `tsh login` and `tsh status` print for one profile; the one in use has the leading `>`. */
export function statusText(io: Io, store: ProfileStore, profile: Profile, isCurrent: boolean): string {
  const left = expiresMs(store, profile) - io.nowMs();
  const databases = activeLogins(store, profile, io.nowMs()).map((login) => login.service);
  const until =
    left > 0
      ? `${printTime(io.nowMs() + left)} [valid for ${printDuration(left)}]`
      : `expired; tsh login --proxy=${profile.proxy} --user=${profile.user}`;
  const rows: (readonly [string, string])[] = [
    ['Profile URL:', `https://${profile.proxy}`],
    ['Logged in as:', profile.user],
    ['Cluster:', profile.cluster],
    ['Roles:', profile.roles.join(', ') || 'none'],
    ...(databases.length > 0 ? [['Databases:', databases.join(', ')] as const] : []),
    ['Valid until:', until],
  ];
  return rows
    .map(([name, value], at) => `${at === 0 && isCurrent ? '> ' : '  '}${name.padEnd(18)}${visible(value)}`)
    .join('\n');
}

function describe(io: Io, store: ProfileStore, profile: Profile): Record<string, unknown> {
  const expires = expiresMs(store, profile);
  return {
    profile_url: `https://${profile.proxy}`,
    username: profile.user,
    cluster: profile.cluster,
    roles: profile.roles,
    databases: activeLogins(store, profile, io.nowMs()).map((login) => login.service),
    valid_until: expires === 0 ? null : new Date(expires).toISOString(),
    valid: expires > io.nowMs(),
    trusted_authorities:
      readIfThere(store.proxyAuthoritiesPath(profile)) === undefined ? null : store.proxyAuthoritiesPath(profile),
  };
}

/** 0 when there is no certificate. */
function expiresMs(store: ProfileStore, profile: Profile): number {
  return store.identity(profile)?.x509.validToDate.getTime() ?? 0;
}
