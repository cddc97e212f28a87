import type { Outcome } from '../command.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import { sectionName } from './connection-info.ts';
import { unconfigureAll } from './native-client.ts';
import type { Profile } from './profile.ts';
import { ProfileStore } from './profile.ts';

/** Removes every key and certificate of one profile or of all, and the sections that they made in native clients' files. */
export function logout(
  io: Io,
  options: { readonly proxy?: string | undefined; readonly all?: boolean | undefined },
): Outcome {
  const store = new ProfileStore(io);
  const one = options.all === true ? undefined : store.read(options.proxy ?? io.env['TESSERA_PROXY']);
  const profiles: readonly Profile[] = options.all === true ? store.list() : one === undefined ? [] : [one];
  if (profiles.length === 0) {
    say(io, 'Nobody is signed in. Next: tsh login --proxy=<host:port> --user=<you>');
    return;
  }
  for (const profile of profiles) {
    const names = store.databaseNames(profile);
    unconfigureAll(
      io,
      names.map((name) => sectionName(profile.cluster, name)),
    );
    store.forget(profile);
    say(io, `Signed out of ${profile.proxy} (${profile.user}).`);
  }
  const [first] = profiles;
  if (first !== undefined) say(io, `Next: ${loginAgain(first)}`);
}

/** As the last time: at the provider, or by name. */
function loginAgain({ proxy, user, auth }: Profile): string {
  const way = auth === undefined || auth === 'local' ? `--user=${user}` : `--auth=${auth}`;
  return `tsh login --proxy=${proxy} ${way}`;
}
