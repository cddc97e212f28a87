import { X509Certificate } from 'node:crypto';
import { generateKeyPair } from '../../pki/keys.ts';
import type { Outcome } from '../command.ts';
import { parseProxyAddress, printProxyAddress } from '../address.ts';
import { failure, failureCode, UsageError } from '../failure.ts';
import type { Io } from '../io.ts';
import { say, tell, visible } from '../io.ts';
import type { Prompter } from '../prompt.ts';
import { openPrompter } from '../prompt.ts';
import { withProgress } from '../progress.ts';
import type { Profile } from './profile.ts';
import { ProfileStore } from './profile.ts';
import { connectThroughProxy, isValid } from './session.ts';
import { statusText } from './status.ts';
import type { Contact } from './trust.ts';
import { contactProxy } from './trust.ts';

export type LoginOptions = {
  readonly proxy?: string | undefined;
  readonly user?: string | undefined;
  readonly ttl?: number | undefined;
  readonly caPin?: readonly string[] | undefined;
  readonly insecure?: boolean | undefined;
  readonly force?: boolean | undefined;
};

/** Signs in with password and one-time code, or shows the session that is still good. */
export async function login(io: Io, options: LoginOptions): Promise<Outcome> {
  const store = new ProfileStore(io);
  const proxyText = options.proxy ?? io.env['TESSERA_PROXY'] ?? store.read()?.proxy;
  if (proxyText === undefined) throw new UsageError('which proxy? tsh login --proxy=<host:port> --user=<you>');
  const proxy = printProxyAddress(parseProxyAddress(proxyText));
  const before = store.read(proxy);
  const wantedUser = options.user ?? io.env['TESSERA_USER'];
  if (options.force !== true && before !== undefined && isSignedIn(io, store, before, wantedUser)) {
    store.write(before);
    say(io, statusText(io, store, before, true));
    say(io, '\nAlready signed in (--force signs in again). Next: tsh db ls');
    return;
  }
  using prompter = openPrompter(io);
  const contact = await contactKnown(io, store, proxy, options);
  const user = wantedUser ?? before?.user ?? (await prompter.text(`User name at ${contact.clusterName}`));
  const signedIn = await signIn(io, prompter, { proxy, user, ttlSeconds: options.ttl ?? 0, contact });
  keep(store, signedIn, contact, io);
  store.write(signedIn.profile);
  greet(io, store, signedIn);
}

/** The same person once more, for a command that outlives its session: asks on stderr, prints nothing, and leaves the current profile as it is. Throws Cancelled. */
export async function signInAgain(io: Io, store: ProfileStore, profile: Profile): Promise<void> {
  using prompter = openPrompter(io);
  const { proxy, user } = profile;
  const contact = await contactKnown(io, store, proxy, {});
  const signedIn = await signIn(io, prompter, { proxy, user, ttlSeconds: 0, contact });
  keep(store, signedIn, contact, io);
  store.save(signedIn.profile);
}

function contactKnown(
  io: Io,
  store: ProfileStore,
  proxy: string,
  options: Pick<LoginOptions, 'caPin' | 'insecure'>,
): Promise<Contact> {
  const trust = {
    caPins: options.caPin ?? [],
    insecure: options.insecure ?? false,
    pinned: store.proxyAuthorities(proxy),
    hostAuthorities: store.knownHostAuthorities(proxy),
  };
  return withProgress(io, `asking ${proxy}`, contactProxy(io, parseProxyAddress(proxy), trust));
}

function greet(io: Io, store: ProfileStore, signedIn: SignedIn): void {
  if (signedIn.messageOfTheDay !== '') tell(io, visible(signedIn.messageOfTheDay));
  say(io, statusText(io, store, signedIn.profile, true));
  say(io, '\nNext: tsh db ls');
}

function isSignedIn(io: Io, store: ProfileStore, profile: Profile, wantedUser: string | undefined): boolean {
  if (wantedUser !== undefined && wantedUser !== profile.user) return false;
  const identity = store.identity(profile);
  return identity !== undefined && isValid(identity, io.nowMs());
}

type SignedIn = {
  readonly profile: Profile;
  readonly certificate: string;
  readonly privateKey: string;
  readonly hostAuthorities: readonly string[];
  readonly messageOfTheDay: string;
};

async function signIn(
  io: Io,
  prompter: Prompter,
  of: { readonly proxy: string; readonly user: string; readonly ttlSeconds: number; readonly contact: Contact },
): Promise<SignedIn> {
  const connection = await connectThroughProxy(io, of.proxy, { hostAuthorities: of.contact.hostAuthorities });
  try {
    for (let attempt = 1; ; attempt += 1) {
      const password = await prompter.secret(`Password for ${of.user}`);
      const oneTimeCode = (await prompter.text('One-time code')).replaceAll(/\s/g, '');
      const { privateKeyPem: privateKey, publicKeyDer } = generateKeyPair();
      const publicKey = new Uint8Array(publicKeyDer);
      try {
        const reply = await withProgress(
          io,
          'signing in',
          connection.client.signIn({ user: of.user, password, oneTimeCode, publicKey, ttlSeconds: of.ttlSeconds }),
        );
        return {
          profile: { proxy: of.proxy, user: of.user, cluster: reply.clusterName, roles: reply.roles },
          certificate: checkIssued(reply.certificate, publicKey),
          privateKey,
          hostAuthorities: reply.hostAuthorities.length > 0 ? reply.hostAuthorities : of.contact.hostAuthorities,
          messageOfTheDay: reply.messageOfTheDay,
        };
      } catch (error) {
        if (failureCode(error) !== 'unauthenticated') throw error;
        if (!prompter.interactive || attempt >= MAX_ATTEMPTS) throw refused(of.user, error);
        tell(io, 'Wrong user name, password or one-time code; try again (a code is good once: wait for the next).');
      }
    }
  } finally {
    connection.close();
  }
}

function keep(store: ProfileStore, signedIn: SignedIn, contact: Contact, io: Io): void {
  // An identity of another person on this proxy goes, with everything that was made from it.
  const previous = store.read(signedIn.profile.proxy);
  if (
    previous !== undefined &&
    (previous.user !== signedIn.profile.user || previous.cluster !== signedIn.profile.cluster)
  ) {
    store.forget(previous);
    tell(io, `${previous.user} is signed out of ${previous.proxy}.`);
  }
  store.writeTrust(signedIn.profile, {
    proxyAuthorities: [...contact.proxyAuthorities, ...signedIn.hostAuthorities],
    hostAuthorities: signedIn.hostAuthorities,
  });
  store.writeIdentity(signedIn.profile, signedIn);
}

/** A certificate for a key that is not ours would be useless later with a puzzling error: say it now. */
function checkIssued(certificate: string, publicKey: Uint8Array): string {
  const got = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  if (!got.equals(publicKey))
    throw failure(
      'WRONG_CERTIFICATE',
      'the Auth Service answered with a certificate for another key',
      'report this to the administrator',
    );
  return certificate;
}

function refused(user: string, cause: unknown): Error {
  return failure(
    'SIGN_IN_REFUSED',
    `could not sign in as ${user}: wrong user name, password or one-time code, or sign-in is locked for a while after too many attempts`,
    'try again with the next code; an administrator can help with: tessera users reset ' + user,
    cause,
  );
}

const MAX_ATTEMPTS = 3;
