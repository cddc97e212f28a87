import { randomUUID } from 'node:crypto';
import type {
  ListSessionsRequest,
  ReportSessionsRequest,
  TerminateSessionRequest,
  WatchSessionsRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { ruleAllows } from '../../access/rules.ts';
import { ConfigError, LoginError, StorageError } from '../../errors.ts';
import type { Lock, Role } from '../../resource/resource.ts';
import { actorOf, type Caller } from './caller.ts';
import { emit, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { withQuiet } from './quiet.ts';
import { changeEvent } from './resource-events.ts';
import type { KnownSession } from './session-board.ts';
import { rolesOfUser } from './sign-in.ts';

/**
 * Sessions that go on now. Everybody sees their own; others' are seen by who has a rule for `session` with `list`, and with `read` their statements too (its `where` may ask
 * who takes part). Ending one writes a lock for it alone.
 */

/** An agent's own sessions; whose they are comes from its certificate. */
export async function reportSessions(
  request: ReportSessionsRequest,
  { caller, context }: Call<Extract<Caller, { type: 'service' }>>,
) {
  return { nextMilliseconds: context.sessions.report(caller.hostId, request) };
}

export async function listSessions(_request: ListSessionsRequest, { caller, context }: Call) {
  return { sessions: await visibleTo(caller, context) };
}

export async function* watchSessions(
  _request: WatchSessionsRequest,
  { caller, context, signal }: Call,
): AsyncIterable<{ sessions: KnownSession[] }> {
  const unwatch = context.sessions.watch();
  try {
    const changes = changesOf(context, signal);
    // The first picture at once, then one a change; a quiet time is told too, for a silent stream counts as abandoned.
    yield { sessions: await visibleTo(caller, context) };
    for await (const _change of withQuiet(changes, { quietMs: () => PULSE_MS, signal, clock: context.clock })) {
      yield { sessions: await visibleTo(caller, context) };
    }
  } finally {
    unwatch();
  }
}

export async function terminateSession(request: TerminateSessionRequest, { caller, context }: Call) {
  if (request.message.length > MAX_MESSAGE)
    throw new ConfigError([`message: expected at most ${MAX_MESSAGE} characters, got ${request.message.length}`]);
  const known = context.sessions.list().filter(({ sessionId }) => sessionId === request.sessionId);
  await requireMayEnd(request.sessionId, known, caller, context);
  if (await alreadyEnding(request.sessionId, context)) return {};
  const actor = actorOf(caller);
  const expiresMs = context.clock.now() + LOCK_TTL_MS;
  const lock: Lock = {
    kind: 'lock',
    version: 'v2',
    metadata: { name: randomUUID(), labels: { [ORIGIN_LABEL]: 'terminate' } },
    spec: {
      target: { session_id: request.sessionId },
      message: request.message === '' ? `ended by ${actor.user ?? 'an administrator'}` : request.message,
      expires: new Date(expiresMs).toISOString(),
    },
  };
  await context.records.put(lock, { expect: 'absent', expiresMs });
  await emit(context, changeEvent('create', lock, { ...actor, sid: request.sessionId }));
  return {};
}

async function requireMayEnd(
  sessionId: string,
  known: readonly KnownSession[],
  caller: Caller,
  context: AuthContext,
): Promise<void> {
  const visible = (await visibleTo(caller, context)).some((session) => session.sessionId === sessionId);
  if (caller.type === 'person') {
    // Should two agents claim one id, it is the caller's only when both say so.
    const own = known.length > 0 && known.every(({ user }) => user === caller.identity.user);
    const roles = await rolesOfUser(caller.user, context);
    if (!own && visible && !ruleAllows(roles, caller.identity, 'lock', 'create'))
      throw new LoginError(
        'ACCESS_DENIED',
        `user ${caller.user.metadata.name} may not end sessions of others: no role of theirs may create lock`,
      );
  }
  // The same words for what is over and for what the caller may not see.
  if (!visible)
    throw new StorageError(
      'NOT_FOUND',
      `session ${JSON.stringify(sessionId.slice(0, 64))} does not go on (any more); list those that do with "tessera sessions ls"`,
    );
}

async function alreadyEnding(sessionId: string, context: AuthContext): Promise<boolean> {
  const locks = await context.records.list('lock');
  return locks.some(({ resource }) => resource.spec.target.session_id === sessionId);
}

async function visibleTo(caller: Caller, context: AuthContext): Promise<KnownSession[]> {
  const all = context.sessions.list();
  if (caller.type === 'admin') return [...all];
  if (caller.type !== 'person') return [];
  const roles = await rolesOfUser(caller.user, context);
  const sights = new Map<string, Sight>();
  return all.flatMap((session) => {
    const sight = sights.get(session.user) ?? sightOf(caller, roles, session.user);
    sights.set(session.user, sight);
    if (sight === 'none') return [];
    return [sight === 'whole' ? session : { ...session, currentStatement: '' }];
  });
}

type Sight = 'none' | 'listed' | 'whole';

function sightOf({ identity }: Extract<Caller, { type: 'person' }>, roles: readonly Role[], user: string): Sight {
  if (user === identity.user) return 'whole';
  const where = { participants: [user] };
  if (!ruleAllows(roles, identity, 'session', 'list', where)) return 'none';
  return ruleAllows(roles, identity, 'session', 'read', where) ? 'whole' : 'listed';
}

/** An item for the changes of a second. */
async function* changesOf({ sessions, clock }: AuthContext, signal: AbortSignal): AsyncGenerator<object> {
  for (let seen = sessions.version; !signal.aborted;) {
    await sessions.changed(seen, signal);
    seen = sessions.version;
    yield {};
    await clock.sleep(PICTURE_MS, signal).catch(() => {});
  }
}

/** Set on the locks that end one session. */
const ORIGIN_LABEL = 'tessera.dev/origin';
const LOCK_TTL_MS = 24 * 3_600_000;
const MAX_MESSAGE = 1000;
const PICTURE_MS = 1000;
/** Shorter than the time after which a silent stream counts as abandoned (listener.ts). */
const PULSE_MS = 15_000;
