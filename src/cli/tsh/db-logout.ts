import type { Outcome } from '../command.ts';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import { sectionName } from './connection-info.ts';
import { unconfigureAll } from './native-client.ts';
import { removeLogin } from './route-certificate.ts';
import type { Chosen } from './session.ts';
import { ProfileStore } from './profile.ts';

/** Removes the certificate of one database, or of all, and its sections of native clients' files. Works offline and after the session's end. */
export function dbLogout(io: Io, name: string | undefined, options: Chosen): Outcome {
  const store = new ProfileStore(io);
  const profile = store.read(options.proxy ?? io.env['TESSERA_PROXY']);
  const known = profile === undefined ? [] : store.databaseNames(profile);
  if (profile === undefined || known.length === 0) {
    say(io, 'Not logged in to any database. Next: tsh db ls');
    return;
  }
  if (name !== undefined && !known.includes(name)) {
    throw failure('NOT_LOGGED_IN', `not logged in to ${name}`, `logged in to: ${known.join(', ')}`);
  }
  const names = name === undefined ? known : [name];
  for (const each of names) removeLogin(store, profile, each);
  unconfigureAll(
    io,
    names.map((each) => sectionName(profile.cluster, each)),
  );
  say(io, name === undefined ? `Logged out of all databases: ${names.join(', ')}.` : `Logged out of database ${name}.`);
  say(io, `Next: tsh db login ${names[0] ?? ''}`);
}
