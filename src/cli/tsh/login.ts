import { generateKeyPair } from '../../pki/keys.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import type { Outcome } from '../command.ts';
import { parseProxyAddress, printProxyAddress } from '../address.ts';
import { failure, failureCode, UsageError } from '../failure.ts';
import type { Io } from '../io.ts';
import { say, tell, visible } from '../io.ts';
import type { Prompter } from '../prompt.ts';
import { openPrompter } from '../prompt.ts';
import { withProgress } from '../progress.ts';
import { askSignInOptions, chooseWay, type WayOptions } from './login-way.ts';
import type { Profile } from './profile.ts';
import { ProfileStore } from './profile.ts';
import { connectThroughProxy, isValid } from './session.ts';
import { checkIssued, type SignedIn } from './signed-in.ts';
import { statusText } from './status.ts';
import type { Contact } from './trust.ts';
import { contactProxy } from './trust.ts';

export type LoginOptions = WayOptions & {
  readonly proxy?: string | undefined;
  readonly user?: string | undefined;
  readonly ttl?: number | undefined;
  readonly caPin?: readonly string[] | undefined;
  readonly insecure?: boolean | undefined;
  readonly force?: boolean | undefined;
};

/** Signs in the way that is asked for or that the cluster prefers, or shows the session that is still good. */
export async function login(io: Io, options: LoginOptions): Promise<Outcome> {
  const store = new ProfileStore(io);
  const proxyText = options.proxy ?? io.env['TESSERA_PROXY'] ?? store.read()?.proxy;
  if (proxyText === undefined) throw new UsageError('which proxy? tsh login --proxy=<host:port>');
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
  const signedIn = await signIn(io, prompter, {
    proxy,
    wantedUser,
    knownUser: before?.user,
    ways: { ...options, auth: options.auth ?? before?.auth },
    remembered: options.auth === undefined,
    ttlSeconds: options.ttl ?? 0,
    contact,
  });
  keep(store, signedIn, contact, io);
  store.write(signedIn.profile);
  greet(io, store, signedIn);
}

/** The same person once more, for a command that outlives its session: asks on stderr, prints nothing, and leaves the current profile as it is. Throws Cancelled. */
export async function signInAgain(io: Io, store: ProfileStore, profile: Profile): Promise<void> {
  using prompter = openPrompter(io);
  const { proxy, user, auth } = profile;
  const contact = await contactKnown(io, store, proxy, {});
  const signedIn = await signIn(io, prompter, {
    proxy,
    wantedUser: user,
    knownUser: user,
    ways: { auth },
    remembered: true,
    ttlSeconds: 0,
    contact,
  });
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

type Attempt = {
  readonly proxy: string;
  /** Only this person will do. */
  readonly wantedUser: string | undefined;
  /** Who it was before. */
  readonly knownUser: string | undefined;
  readonly ways: WayOptions;
  /** `ways.auth` is what the last sign-in took: a connector that is gone since is no reason to stop. */
  readonly remembered: boolean;
  readonly ttlSeconds: number;
  readonly contact: Contact;
};

async function signIn(io: Io, prompter: Prompter, of: Attempt): Promise<SignedIn> {
  const { hostAuthorities } = of.contact;
  const connection = await connectThroughProxy(io, of.proxy, { hostAuthorities });
  try {
    const offered = await withProgress(io, 'asking how to sign in', askSignInOptions(connection));
    const known =
      of.ways.auth === 'local' ? offered.local : offered.connectors.some(({ name }) => name === of.ways.auth);
    const way = chooseWay(io, of.remembered && !known ? { ...of.ways, auth: undefined } : of.ways, offered);
    const { proxy, ttlSeconds, wantedUser: user } = of;
    const browser = { proxy, ttlSeconds, user, hostAuthorities };
    switch (way.type) {
      case 'password':
        return withAuth(await signInByPassword(io, prompter, connection, of), way.auth);
      case 'browser': {
        const { signInByBrowser } = await import('./browser-login.ts');
        return withAuth(
          await signInByBrowser(io, connection, {
            ...browser,
            connector: way.connector,
            open: way.open,
          }),
          way.auth,
        );
      }
      case 'code': {
        const { signInByCode } = await import('./browser-login.ts');
        return withAuth(await signInByCode(io, connection, browser), way.auth);
      }
    }
  } finally {
    connection.close();
  }
}

function withAuth(signedIn: SignedIn, auth: string): SignedIn {
  return { ...signedIn, profile: { ...signedIn.profile, auth } };
}

async function signInByPassword(
  io: Io,
  prompter: Prompter,
  connection: AuthConnection,
  of: Attempt,
): Promise<SignedIn> {
  const user = of.wantedUser ?? of.knownUser ?? (await prompter.text(`User name at ${of.contact.clusterName}`));
  for (let attempt = 1; ; attempt += 1) {
    const password = await prompter.secret(`Password for ${user}`);
    const oneTimeCode = (await prompter.text('One-time code')).replaceAll(/\s/g, '');
    const { privateKeyPem: privateKey, publicKeyDer } = generateKeyPair();
    const publicKey = new Uint8Array(publicKeyDer);
    try {
      const reply = await withProgress(
        io,
        'signing in',
        connection.client.signIn({ user, password, oneTimeCode, publicKey, ttlSeconds: of.ttlSeconds }),
      );
      return {
        profile: { proxy: of.proxy, user, cluster: reply.clusterName, roles: reply.roles },
        certificate: checkIssued(reply.certificate, publicKey),
        privateKey,
        hostAuthorities: reply.hostAuthorities.length > 0 ? reply.hostAuthorities : of.contact.hostAuthorities,
        messageOfTheDay: reply.messageOfTheDay,
      };
    } catch (error) {
      if (failureCode(error) !== 'unauthenticated') throw error;
      if (!prompter.interactive || attempt >= MAX_ATTEMPTS) throw refused(user, error);
      tell(io, 'Wrong user name, password or one-time code; try again (a code is good once: wait for the next).');
    }
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

function refused(user: string, cause: unknown): Error {
  return failure(
    'SIGN_IN_REFUSED',
    `could not sign in as ${user}: wrong user name, password or one-time code, or sign-in is locked for a while after too many attempts`,
    `try again with the next code; with a passkey and no codes: tsh login --browser=auto; an administrator can help with: tessera users reset ${user}`,
    cause,
  );
}

const MAX_ATTEMPTS = 3;
