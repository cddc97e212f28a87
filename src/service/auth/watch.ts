import { WatchResponse_Type, type WatchRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { LimitError, LoginError, ProtocolError, StorageError } from '../../errors.ts';
import type { Kind } from '../../resource/resource.ts';
import { DATABASE_KINDS, PROXY_KINDS } from '../cache.ts';
import type { Change, Item, Json } from '../../state/store.ts';
import { authorityResource, AUTHORITY_PREFIX } from './authorities.ts';
import type { Caller } from './caller.ts';
import type { AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { withQuiet } from './quiet.ts';
import { fromRecordKey, recordPrefix } from './records.ts';

/**
 * What a service copies of the cluster: a full picture, then every change. Reading is pulled by the watcher's own speed, so a slow one costs nothing but its place in
 * the store's log; one that falls too far behind begins again.
 */

/** How often a watcher hears that nothing changed, milliseconds. */
export const ALIVE_INTERVAL_MS = 3_000;
/** A resumed watcher has everything once the log gave nothing for this long, milliseconds: only then it is told so. */
const CAUGHT_UP_MS = 20;

/** maxWatchesPerHost: one, and some that a broken connection left behind. */
const MAX_WATCHES_PER_HOST = 16;

/** Nobody copies more than it needs: never users, tokens, or another role's kinds. */
const WATCHABLE: { readonly [R in 'proxy' | 'database']: readonly Kind[] } = {
  proxy: PROXY_KINDS,
  database: DATABASE_KINDS,
};

type Message = { type: WatchResponse_Type; revision: bigint; kind?: string; name?: string; json?: string };

export async function* watch(
  request: WatchRequest,
  { caller, context, signal }: Call<Extract<Caller, { type: 'service' }>>,
): AsyncIterable<Message> {
  const kinds = checkedKinds(request.kinds, caller.role);
  const release = takePlace(caller.hostId, context);
  try {
    const newest = await context.store.revision();
    // Ahead of us: the store was restored from an older copy.
    let after = request.afterRevision > BigInt(newest) ? 0 : Number(request.afterRevision);
    while (!signal.aborted) {
      const resumed = after !== 0;
      if (!resumed) after = yield* fullPicture(kinds, context);
      try {
        yield* changes(kinds, { afterRevision: after, synced: !resumed }, signal, context);
        return;
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== 'STATE_COMPACTED') throw error;
        after = 0;
      }
    }
  } finally {
    release();
  }
}

const perHost = new WeakMap<AuthContext, Map<string, number>>();

// One host that was taken over must not keep the others from hearing of locks.
function takePlace(hostId: string, context: AuthContext): () => void {
  const counts = perHost.get(context) ?? new Map<string, number>();
  perHost.set(context, counts);
  const count = (counts.get(hostId) ?? 0) + 1;
  if (count > MAX_WATCHES_PER_HOST)
    throw new LimitError(
      'WATCHES_PER_HOST',
      `this host has ${MAX_WATCHES_PER_HOST} open watches (maxWatchesPerHost); it needs one`,
    );
  const release = context.watches.take();
  counts.set(hostId, count);
  return () => {
    release();
    const left = (counts.get(hostId) ?? 1) - 1;
    if (left === 0) counts.delete(hostId);
    else counts.set(hostId, left);
  };
}

function checkedKinds(asked: readonly string[], role: 'proxy' | 'database'): readonly Kind[] {
  const kinds = [...new Set(asked)].map((text) => WATCHABLE[role].find((kind) => kind === text) ?? text);
  const refused = kinds.filter((kind) => !WATCHABLE[role].some((allowed) => allowed === kind));
  if (refused.length > 0)
    throw new LoginError(
      'WATCH_KIND_DENIED',
      `a ${role} service may not watch ${refused.slice(0, 8).join(', ').slice(0, 128)}`,
    );
  if (kinds.length === 0) throw new ProtocolError('WATCH_NO_KINDS', 'watch: expected at least one kind');
  return kinds as readonly Kind[];
}

async function* fullPicture(kinds: readonly Kind[], context: AuthContext): AsyncGenerator<Message, number> {
  // Read first: the picture is at least as new, and changes since are told again, which does no harm.
  const revision = await context.store.revision();
  yield { type: WatchResponse_Type.RESET, revision: BigInt(revision) };
  for (const kind of kinds) {
    for (const item of await context.store.list(prefixOf(kind))) {
      const message = putMessage(item);
      if (message !== undefined) yield message;
    }
  }
  yield { type: WatchResponse_Type.SYNCED, revision: BigInt(revision) };
  return revision;
}

async function* changes(
  kinds: readonly Kind[],
  from: { readonly afterRevision: number; readonly synced: boolean },
  signal: AbortSignal,
  context: AuthContext,
): AsyncIterable<Message> {
  const ended = new AbortController();
  const stream = context.store.watch(kinds.map(prefixOf), {
    afterRevision: from.afterRevision,
    signal: AbortSignal.any([signal, ended.signal]),
  });
  let { afterRevision: revision, synced } = from;
  const quietMs = (): number => (synced ? ALIVE_INTERVAL_MS : CAUGHT_UP_MS);
  try {
    for await (const change of withQuiet(stream, { quietMs, signal, clock: context.clock })) {
      if (change.type === 'quiet') {
        yield { type: synced ? WatchResponse_Type.ALIVE : WatchResponse_Type.SYNCED, revision: BigInt(revision) };
        synced = true;
        continue;
      }
      revision = Math.max(revision, change.revision);
      const message = changeMessage(change);
      if (message !== undefined) yield message;
    }
  } finally {
    ended.abort();
  }
}

function prefixOf(kind: Kind): string {
  return kind === 'authority' ? AUTHORITY_PREFIX : recordPrefix(kind);
}

function changeMessage(change: Change): Message | undefined {
  if (change.type === 'put') return putMessage(change.item);
  const at = placeOf(change.key);
  return at === undefined ? undefined : { type: WatchResponse_Type.DELETE, revision: BigInt(change.revision), ...at };
}

function putMessage(item: Item): Message | undefined {
  const at = placeOf(item.key);
  if (at === undefined) return undefined;
  // An authority's record holds its sealed keys: only the public half leaves.
  const document: Json | undefined =
    at.kind === 'authority' ? (authorityResource(item.value) as unknown as Json) : item.value;
  return document === undefined
    ? undefined
    : { type: WatchResponse_Type.PUT, revision: BigInt(item.revision), ...at, json: JSON.stringify(document) };
}

function placeOf(key: string): { kind: string; name: string } | undefined {
  return key.startsWith(AUTHORITY_PREFIX)
    ? { kind: 'authority', name: key.slice(AUTHORITY_PREFIX.length) }
    : fromRecordKey(key);
}
