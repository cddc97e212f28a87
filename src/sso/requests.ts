import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { LimitError, LoginError, StorageError } from '../errors.ts';
import type { Json, Store } from '../state/store.ts';
import { networkOf } from './local/rate.ts';

/** Sign-ins that are at a provider now: one record each, good once and for ten minutes, bound to the browser that began it. */

/** How long a person may take at the provider, milliseconds. */
export const SSO_REQUEST_TTL_MS = 10 * 60_000;
/** maxSsoRequests, maxSsoRequestsPerNetwork, maxSsoKeptBytes: open ones in all, of one address (or IPv6 /64), and what a provider keeps of one. */
export const SSO_REQUEST_LIMITS = { inAll: 5000, ofNetwork: 200, keptBytes: 16 * 1024 } as const;

const purpose = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('web'),
    returnTo: z.string(),
    /** What the browser's session is kept under (no secret), for it ends with the new one. The cookie itself does not come back with an answer from another site. */
    formerSession: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('client'), clientLoginId: z.string() }),
  z.strictObject({ type: z.literal('test'), testId: z.string() }),
]);
const schema = z.strictObject({
  kind: z.enum(['oidc', 'saml', 'github']),
  connector: z.string(),
  purpose,
  /** Hex SHA-256 of the browser's binding secret; absent: begun by a program (tsh, `tessera sso test`). */
  binding: z.string().optional(),
  network: z.string(),
  kept: z.json(),
});

/** What a sign-in is for: a web session, tsh's own sign-in, or a try-out. */
export type SsoPurpose = Readonly<z.infer<typeof purpose>>;
export type SsoRequest = Readonly<z.infer<typeof schema>>;
export type RequestDeps = {
  readonly store: Store;
  readonly now: () => number;
  readonly limits?: typeof SSO_REQUEST_LIMITS;
};

/** A name for a request that nobody guesses: 256 random bits. Begins with a letter, so that it can be an XML ID. */
export function newRequestId(): string {
  return `r${randomBytes(32).toString('base64url')}`;
}

/** A secret for the browser that began, and what is stored of it. */
export function newBinding(): { readonly secret: string; readonly digest: string } {
  const secret = randomBytes(32).toString('base64url');
  return { secret, digest: digestOf(secret) };
}

/** Throws LimitError `SSO_BUSY` when an address, or everybody together, has too many open ones: called before a provider is asked for anything. */
export async function admitRequest(
  address: string,
  { store, limits = SSO_REQUEST_LIMITS }: RequestDeps,
): Promise<void> {
  const open = await store.list(PREFIX);
  if (open.length >= limits.inAll)
    throw new LimitError('SSO_BUSY', `too many sign-ins are at a provider (maxSsoRequests ${limits.inAll}); try again`);
  const network = networkOf(address);
  const ofNetwork = open.filter((item) => networkIn(item.value) === network).length;
  if (ofNetwork >= limits.ofNetwork)
    throw new LimitError(
      'SSO_BUSY',
      `too many sign-ins of this address are at a provider (maxSsoRequestsPerNetwork ${limits.ofNetwork}); finish one or try again in 10 minutes`,
    );
}

/** Keeps a request until it is taken. Throws LimitError `SSO_KEPT_TOO_LARGE`. */
export async function keepRequest(
  id: string,
  request: Omit<SsoRequest, 'network' | 'kept'> & { readonly address: string; readonly kept: Json },
  { store, now, limits = SSO_REQUEST_LIMITS }: RequestDeps,
): Promise<void> {
  const { address, ...rest } = request;
  const bytes = Buffer.byteLength(JSON.stringify(rest.kept));
  if (bytes > limits.keptBytes)
    throw new LimitError(
      'SSO_KEPT_TOO_LARGE',
      `sign-in at a provider: ${bytes} bytes to keep exceed maxSsoKeptBytes ${limits.keptBytes}`,
    );
  const value = { ...rest, network: networkOf(address) };
  await store.put(keyOf(id), value as unknown as Json, { expect: 'absent', expiresMs: now() + SSO_REQUEST_TTL_MS });
}

/** Uses the request up: of two answers to one request, one gets it. Undefined: there is none (any more), or it was of another form. */
export async function takeRequest(id: string, { store }: Pick<RequestDeps, 'store'>): Promise<SsoRequest | undefined> {
  if (!/^r[\w-]{43}$/.test(id)) return undefined;
  const item = await store.read(keyOf(id));
  if (item === undefined) return undefined;
  try {
    if (!(await store.remove(item.key, item.revision))) return undefined;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'STATE_CONFLICT') return undefined;
    throw error;
  }
  const parsed = schema.safeParse(item.value);
  if (!parsed.success)
    throw new StorageError('SSO_REQUEST_INVALID', 'stored sign-in at a provider is not what this version writes');
  return parsed.data;
}

/**
 * Throws LoginError unless the answer came to the address of the request's connector (`SSO_OTHER_CONNECTOR`; empty: the path does not say) and from the browser that began (`SSO_OTHER_BROWSER`, in constant
 * time).
 */
export function checkAnswer(
  request: SsoRequest,
  answer: { readonly kind: string; readonly connector: string; readonly binding: string },
): void {
  if (request.kind !== answer.kind || (answer.connector !== '' && answer.connector !== request.connector))
    throw new LoginError(
      'SSO_OTHER_CONNECTOR',
      `the answer came to the address of another connector than ${request.kind}/${request.connector}`,
      { publicMessage: 'the answer came from another identity provider than the one that was asked; sign in again' },
    );
  if (request.binding === undefined) return;
  const got = Buffer.from(digestOf(answer.binding), 'hex');
  const expected = Buffer.from(request.binding, 'hex');
  if (got.length === expected.length && timingSafeEqual(got, expected)) return;
  throw new LoginError(
    'SSO_OTHER_BROWSER',
    'this sign-in was begun in another browser, or a newer one was begun in this one; sign in again',
  );
}

/** What a browser is told whose request is not there (any more). */
export function requestGone(): LoginError {
  return new LoginError(
    'SSO_EXPIRED',
    'this sign-in is over: it took longer than 10 minutes, or its answer was used already; sign in again',
  );
}

function networkIn(value: Json): Json | undefined {
  return typeof value === 'object' && value !== null && 'network' in value ? value['network'] : undefined;
}

function digestOf(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex');
}

const PREFIX = '/sso_request/';

function keyOf(id: string): string {
  return `${PREFIX}${id}`;
}
