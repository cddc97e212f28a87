import { randomUUID } from 'node:crypto';
import type { MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { createContextKey, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { auditEvent } from '../../audit/event.ts';
import { ruleAllows } from '../../access/rules.ts';
import { AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { BugError, LoginError, TesseraError } from '../../errors.ts';
import { toConnectError } from '../../rpc/errors.ts';
import { PERMISSIONS, type Permission, type RuleNeed } from '../../rpc/permissions.ts';
import { actorOf, identifyCaller, type Caller, type Person } from './caller.ts';
import { emit, type AuthContext } from './context.ts';
import type { Connection } from './listener.ts';
import { limited, rolesOfUser } from './sign-in.ts';
import type { WebCall } from './web-call.ts';
import { whileStanding } from './standing.ts';

/** Every call passes here: who calls, may they, then the handler, then errors into words that may cross the wire. */

type Methods = typeof AuthService.method;
type MethodName = keyof Methods;
/** What a handler learns beside its request. */
export type Call<C extends Caller = Caller> = {
  readonly caller: C;
  readonly context: AuthContext;
  readonly signal: AbortSignal;
  /** Of a browser's call, which came over a proxy; undefined: a program's. */
  readonly web?: WebCall;
  /** Of the answer; what the proxy turns into cookies goes here (web-sessions.ts). */
  readonly responseHeader: Headers;
};
type CallerOf<M extends MethodName> = (typeof PERMISSIONS)[M]['kind'] extends 'person'
  ? Person
  : (typeof PERMISSIONS)[M]['kind'] extends 'service'
    ? Extract<Caller, { readonly type: 'service' }>
    : Caller;
type Answer<M extends MethodName> = Methods[M]['methodKind'] extends 'server_streaming'
  ? AsyncIterable<MessageInitShape<Methods[M]['output']>>
  : Promise<MessageInitShape<Methods[M]['output']>>;
/** One function for each method, complete by type. */
export type Handlers = {
  readonly [M in MethodName]: (request: MessageShape<Methods[M]['input']>, call: Call<CallerOf<M>>) => Answer<M>;
};

/** Where the adapter puts the connection of a request. */
export const connectionKey = createContextKey<Connection | undefined>(undefined);

type AnyHandler = (request: unknown, call: Call) => Promise<object> | AsyncIterable<object>;

/** The service as connect wants it, each handler behind its permission. */
export function gated(handlers: Handlers, context: AuthContext): ServiceImpl<typeof AuthService> {
  const methods: Record<string, unknown> = {};
  for (const method of AuthService.methods) {
    const name = method.localName as MethodName;
    const handler = handlers[name] as AnyHandler;
    methods[name] =
      method.methodKind === 'server_streaming'
        ? (request: unknown, at: HandlerContext) => streamed(name, handler, request, at, context)
        : (request: unknown, at: HandlerContext) => unary(name, handler, request, at, context);
  }
  return methods as ServiceImpl<typeof AuthService>;
}

async function unary(
  name: MethodName,
  handler: AnyHandler,
  request: unknown,
  at: HandlerContext,
  context: AuthContext,
): Promise<object> {
  try {
    const caller = await admit(name, request, at, context);
    const { signal, responseHeader } = at;
    return await (handler(request, { caller, context, signal, responseHeader }) as Promise<object>);
  } catch (error) {
    throw told(name, error, context);
  }
}

async function* streamed(
  name: MethodName,
  handler: AnyHandler,
  request: unknown,
  at: HandlerContext,
  context: AuthContext,
): AsyncIterable<object> {
  try {
    const caller = await admit(name, request, at, context);
    const ends = new AbortController();
    // A stream must not outlive what allowed it, be it a certificate, a role or the absence of a lock.
    const standing =
      'certificate' in caller
        ? whileStanding(
            () => stillAllowed(name, request, at, context),
            () => ends.abort(),
            context.clock,
          )
        : undefined;
    try {
      yield* handler(request, {
        caller,
        context,
        responseHeader: at.responseHeader,
        signal: AbortSignal.any([at.signal, ends.signal, context.closing]),
      }) as AsyncIterable<object>;
    } finally {
      standing?.cancel();
    }
  } catch (error) {
    throw told(name, error, context);
  }
}

// Also when the store can not say: the caller comes back, and is asked again.
async function stillAllowed(
  name: MethodName,
  request: unknown,
  at: HandlerContext,
  context: AuthContext,
): Promise<void> {
  const connection = at.values.get(connectionKey);
  if (connection === undefined) throw new BugError('a call without a connection');
  const refusal = await refusalOf(PERMISSIONS[name], await identifyCaller(connection, context), request, context);
  if (refusal !== undefined) throw refusal;
}

async function admit(name: MethodName, request: unknown, at: HandlerContext, context: AuthContext): Promise<Caller> {
  const connection = at.values.get(connectionKey);
  if (connection === undefined) throw new BugError('a call without a connection');
  const permission: Permission = PERMISSIONS[name];
  // Anonymous methods do not look at a certificate: an expired one must not stop a new sign-in.
  if (permission.kind === 'anonymous') return { type: 'anonymous', address: connection.address };
  let caller: Caller;
  try {
    caller = await identifyCaller(connection, context);
  } catch (error) {
    // Recorded before it is limited like a sign-in: those beyond are in the number that the audit log gets.
    if (error instanceof LoginError) await context.refusals.record(connection.address, error.code, error.message);
    await limited(connection.address, context);
    throw error;
  }
  const refusal = await refusalOf(permission, caller, request, context);
  if (refusal === undefined) return caller;
  // Nobody fills the audit log with what they may not do.
  if (caller.type !== 'admin') await limited(connection.address, context);
  await emit(
    context,
    auditEvent('TAP00W', {
      method: name,
      error: refusal.message,
      caller: caller.type,
      ...actorOf(caller),
      success: false,
    }),
  );
  throw refusal;
}

async function refusalOf(
  permission: Permission,
  caller: Caller,
  request: unknown,
  context: AuthContext,
): Promise<LoginError | undefined> {
  switch (permission.kind) {
    case 'anonymous':
      return undefined;
    case 'person':
      return caller.type === 'person' ? undefined : notFor(caller, 'a person who is signed in');
    case 'service':
      return caller.type === 'service' && permission.roles.includes(caller.role)
        ? undefined
        : notFor(caller, `a ${permission.roles.join(' or ')} service`);
    case 'administration': {
      if (caller.type === 'admin') return undefined;
      if (caller.type !== 'person') return notFor(caller, 'an administrator');
      const missing = await missingNeed(caller, permission.needs(request), context);
      if (missing === undefined) return undefined;
      const verbs = missing.verbs.join(' or ');
      return new LoginError(
        'ACCESS_DENIED',
        `user ${caller.user.metadata.name} may not ${verbs} ${missing.resource === '' ? 'this' : missing.resource}: no role of theirs has a rule for it`,
      );
    }
  }
}

async function missingNeed(
  person: Person,
  needs: readonly RuleNeed[],
  context: AuthContext,
): Promise<RuleNeed | undefined> {
  const roles = await rolesOfUser(person.user, context);
  return needs.find((need) => !need.verbs.some((verb) => ruleAllows(roles, person.identity, need.resource, verb)));
}

function notFor(caller: Caller, expected: string): LoginError {
  if (caller.type === 'anonymous') return new LoginError('NOT_SIGNED_IN', `not signed in: expected ${expected}`);
  return new LoginError(
    'ACCESS_DENIED',
    `this is for ${expected}, the caller is ${caller.type === 'service' ? `a ${caller.role} service` : caller.type === 'admin' ? 'the local administrator' : 'a person'}`,
  );
}

function told(name: MethodName, error: unknown, context: AuthContext): Error {
  const incident = randomUUID().slice(0, 8);
  if (!(error instanceof TesseraError) || error instanceof BugError)
    context.log.error({ err: error, method: name, incident }, 'auth: a call failed');
  else context.log.debug({ code: error.code, reason: error.message, method: name }, 'auth: a call was refused');
  return toConnectError(error, incident);
}
