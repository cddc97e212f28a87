import type { Outcome } from '../command.ts';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import { removeServices } from './pg-service-file.ts';
import { removeLogin } from './route-certificate.ts';
import type { Chosen } from './session.ts';
import { ProfileStore } from './profile.ts';

/** Removes the certificate of one database, or of all, and its section of `pg_service.conf`. Works offline and after the session's end. */
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
  removeServices(
    io,
    names.map((each) => `${profile.cluster}-${each}`),
  );
  say(io, name === undefined ? `Logged out of all databases: ${names.join(', ')}.` : `Logged out of database ${name}.`);
  say(io, `Next: tsh db login ${names[0] ?? ''}`);
}
