import { createPrivateKey } from 'node:crypto';
import { hostname } from 'node:os';
import { openSealed, sealContext } from '../../pki/client-seal.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import { systemClock, type Clock } from '../../telemetry/clock.ts';
import { failure, failureCode, refusalCode } from '../failure.ts';
import type { Io } from '../io.ts';
import { tell, visible } from '../io.ts';
import { withProgress } from '../progress.ts';
import { openCallback } from './browser-callback.ts';
import { awaitBrowser, sealedText } from './browser-wait.ts';
import { checkIssued, userOf, type SignedIn } from './signed-in.ts';

/** Sign-in by way of a browser: at a provider or approved at the web UI, with an answer to this machine, or by a code that is typed anywhere. */

export type BrowserSignIn = {
  readonly proxy: string;
  readonly ttlSeconds: number;
  /** Only this person will do; undefined: whoever it is. */
  readonly user: string | undefined;
  /** What proved the Auth Service. */
  readonly hostAuthorities: readonly string[];
  readonly clock?: Clock;
};

/** With an answer to a loopback address. `open` false: the link is printed for a browser on this machine. */
export async function signInByBrowser(
  io: Io,
  connection: AuthConnection,
  of: BrowserSignIn & {
    /** Of a provider; empty: approved at the web UI. */
    readonly connector: string;
    readonly open: boolean;
  },
): Promise<SignedIn> {
  const keys = newKeys();
  let requestId = '';
  using callback = await openCallback((query) =>
    sealedText(query, createPrivateKey(keys.seal.privateKeyPem), requestId),
  );
  const request = { ...requestOf(keys, of), connector: of.connector, callbackUrl: callback.url };
  const started = await withProgress(io, 'beginning', connection.client.startClientLogin(request));
  ({ requestId } = started);
  const { clock, open } = of;
  const text = await awaitBrowser(io, callback, { url: started.url, open, deed: 'sign in', ...(clock && { clock }) });
  return signedIn(text, keys, connection, of);
}

/** By a code that the person types at the web UI, on any machine (RFC 8628). Throws `CODE_EXPIRED`, `BROWSER_DENIED`, `PKI_SEAL_INVALID`. */
export async function signInByCode(io: Io, connection: AuthConnection, of: BrowserSignIn): Promise<SignedIn> {
  const keys = newKeys();
  const request = { ...requestOf(keys, of), connector: '', callbackUrl: '' };
  const started = await withProgress(io, 'beginning', connection.client.startClientLogin(request));
  tell(io, 'Open in a browser on any machine, sign in there, and type the code:');
  tell(io, `  ${visible(started.url)}`);
  tell(io, `  ${visible(started.userCode)}`);
  const sealed = await withProgress(
    io,
    'waiting for the browser',
    polled(connection, started, of.clock ?? systemClock),
  );
  const seal = createPrivateKey(keys.seal.privateKeyPem);
  return signedIn(openSealed(seal, sealed, sealContext(started.requestId)).toString(), keys, connection, of);
}

type Keys = { readonly own: ReturnType<typeof generateKeyPair>; readonly seal: ReturnType<typeof generateKeyPair> };

function newKeys(): Keys {
  return { own: generateKeyPair(), seal: generateKeyPair() };
}

function requestOf({ own, seal }: Keys, { ttlSeconds }: BrowserSignIn) {
  return {
    publicKey: new Uint8Array(own.publicKeyDer),
    sealKey: new Uint8Array(seal.publicKeyDer),
    ttlSeconds,
    hostName: hostname(),
  };
}

async function polled(
  { client }: AuthConnection,
  started: {
    readonly requestId: string;
    readonly pollSecret: string;
    readonly pollSeconds: number;
  },
  clock: Clock,
): Promise<Uint8Array> {
  const { PollClientLoginResponse_State: State } = await import('../../../gen/tessera/auth/v1/auth_pb.ts');
  const { requestId, pollSecret } = started;
  let seconds = started.pollSeconds;
  // The Auth Service says when it is over, by its own clock: this machine's may be anywhere.
  const untilMs = clock.monotonic() + MAX_CODE_WAIT_MS;
  while (clock.monotonic() < untilMs) {
    await clock.sleep(seconds * 1000);
    try {
      const { state, sealed, pollSeconds } = await client.pollClientLogin({ requestId, pollSecret });
      if (state === State.DONE) return sealed;
      if (state === State.DENIED)
        throw failure(
          'BROWSER_DENIED',
          'refused in the browser',
          'begin again when it was a mistake: tsh login --device',
        );
      seconds = pollSeconds;
    } catch (error) {
      if (refusalCode(error) === 'CLIENT_LOGIN_GONE') break;
      // The Auth Service or the network is away for a moment; the code goes on being good.
      if (failureCode(error) !== 'unavailable' && failureCode(error) !== 'deadline_exceeded') throw error;
    }
  }
  throw failure('CODE_EXPIRED', 'nobody typed the code in time', 'begin again: tsh login --device');
}

async function signedIn(text: string, keys: Keys, connection: AuthConnection, of: BrowserSignIn): Promise<SignedIn> {
  const [{ fromJsonString }, { SignInResponseSchema }] = await Promise.all([
    import('@bufbuild/protobuf'),
    import('../../../gen/tessera/auth/v1/auth_pb.ts'),
  ]);
  const reply = fromJsonString(SignInResponseSchema, text, { ignoreUnknownFields: true });
  const certificate = checkIssued(reply.certificate, keys.own.publicKeyDer);
  const user = userOf(certificate);
  if (of.user !== undefined && of.user !== user)
    throw failure(
      'OTHER_USER',
      `signed in as ${user} in the browser, not as ${of.user}`,
      'sign out there first, or leave out --user',
    );
  // Whom to trust is not for a browser to bring: the Auth Service says it over the connection that was proved.
  const { hostAuthorities } = await connection.client.ping({});
  return {
    profile: { proxy: of.proxy, user, cluster: reply.clusterName, roles: reply.roles },
    certificate,
    privateKey: keys.own.privateKeyPem,
    hostAuthorities: hostAuthorities.length > 0 ? hostAuthorities : of.hostAuthorities,
    messageOfTheDay: reply.messageOfTheDay,
  };
}

/** maxCodeWait: for an Auth Service that never says so. A code counts for ten minutes. */
const MAX_CODE_WAIT_MS = 15 * 60_000;
