import { randomUUID } from 'node:crypto';
import type { MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { createContextKey, type ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { auditEvent } from '../../audit/event.ts';
import { ruleAllows } from '../../access/rules.ts';
import { AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { BugError, LoginError, TesseraError } from '../../errors.ts';
import { toConnectError } from '../../rpc/errors.ts';
import { PERMISSIONS, type Permission, type RuleNeed, type Verb } from '../../rpc/permissions.ts';
import { actorOf, identifyCaller, type Caller, type Person } from './caller.ts';
import { emit, type AuthContext } from './context.ts';
import type { Connection } from './listener.ts';
import { limited, rolesOfUser } from './sign-in.ts';
import { webCallOf, WEB_HEADERS, type WebCall } from './web-call.ts';
import { notSignedIn, openWebSession, SET_SESSION } from './web-sessions.ts';
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
    const { caller, web } = await admit(name, request, at, context);
    return await (handler(request, callOf(caller, web, at, context)) as Promise<object>);
  } catch (error) {
    const answer = told(name, error, context);
    // The browser forgets a cookie that is good for nothing any more.
    if (endsSession(error) && at.requestHeader.has(WEB_HEADERS.session)) answer.metadata.set(SET_SESSION, '');
    throw answer;
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
    const { caller, web } = await admit(name, request, at, context);
    const ends = new AbortController();
    // A stream must not outlive what allowed it, be it a certificate, a web session, a role or the absence of a lock.
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
        ...callOf(caller, web, at, context),
        signal: AbortSignal.any([at.signal, ends.signal, context.closing]),
      }) as AsyncIterable<object>;
    } finally {
      standing?.cancel();
    }
  } catch (error) {
    throw told(name, error, context);
  }
}

function callOf(caller: Caller, web: WebCall | undefined, at: HandlerContext, context: AuthContext): Call {
  const { signal, responseHeader } = at;
  return { caller, context, signal, responseHeader, ...(web === undefined ? {} : { web }) };
}

type Admitted = { readonly caller: Caller; readonly web: WebCall | undefined };

// Also when the store can not say: the caller comes back, and is asked again.
async function stillAllowed(
  name: MethodName,
  request: unknown,
  at: HandlerContext,
  context: AuthContext,
): Promise<void> {
  const connection = connectionIn(at);
  const web = await webCallOf(at.requestHeader, connection, context);
  // An open stream is no sign of life: a page that is only looked at goes idle.
  const caller = await identify(connection, web && { ...web, background: true }, context);
  const refusal = await refusalOf(PERMISSIONS[name], caller, request, context);
  if (refusal !== undefined) throw refusal;
}

async function admit(name: MethodName, request: unknown, at: HandlerContext, context: AuthContext): Promise<Admitted> {
  const connection = connectionIn(at);
  const permission: Permission = PERMISSIONS[name];
  let web: WebCall | undefined;
  let caller: Caller;
  try {
    web = await webCallOf(at.requestHeader, connection, context);
    refuseByPlace(permission, web);
    // Anonymous methods do not look at a certificate or a session: one that is over must not stop a new sign-in.
    caller =
      permission.kind === 'anonymous'
        ? { type: 'anonymous', address: web?.address ?? connection.address }
        : await identify(connection, web, context);
  } catch (error) {
    // A page that is opened without a session, or with one that is over, does nothing wrong.
    if (error instanceof LoginError && error.code === 'NOT_SIGNED_IN') throw error;
    const address = web?.address ?? connection.address;
    // Recorded before it is limited like a sign-in: those beyond are in the number that the audit log gets.
    if (error instanceof LoginError) await context.refusals.record(address, error.code, error.message);
    await limited(address, context);
    throw error;
  }
  const refusal = await refusalOf(permission, caller, request, context);
  if (refusal === undefined) return { caller, web };
  // Nobody fills the audit log with what they may not do; counted by who it is, as many people may share an address.
  if (caller.type !== 'admin') await limitRefused(caller, context);
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

async function limitRefused(caller: Caller, context: AuthContext): Promise<void> {
  if (caller.type === 'anonymous') await limited(caller.address, context);
  else await context.refusedRate.take(actorOf(caller).user ?? caller.type);
}

function connectionIn(at: HandlerContext): Connection {
  const connection = at.values.get(connectionKey);
  if (connection === undefined) throw new BugError('a call without a connection');
  return connection;
}

// Of a browser's call the proxy is never the caller, whatever its certificate could do.
async function identify(connection: Connection, web: WebCall | undefined, context: AuthContext): Promise<Caller> {
  if (web === undefined) return identifyCaller(connection, context);
  if (web.sessionToken === undefined) throw notSignedIn();
  return openWebSession(web.sessionToken, { address: web.address, quiet: web.background }, context);
}

function refuseByPlace(permission: Permission, web: WebCall | undefined): void {
  if (web === undefined) {
    if ('web' in permission && permission.web === 'only')
      throw new LoginError('BROWSER_ONLY', 'this is for browsers, by way of a proxy');
    return;
  }
  if (permission.kind === 'service' || ('web' in permission && permission.web === 'never'))
    throw new LoginError('NOT_FOR_BROWSERS', 'this is not for browsers');
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
      // For people: "readnosecrets" is the lesser "read", and who lacks both needs to hear of one.
      const isNamed = (verb: Verb): boolean => verb !== 'readnosecrets' || !missing.verbs.includes('read');
      const verbs = missing.verbs.filter(isNamed).join(' or ');
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

function endsSession(error: unknown): boolean {
  return error instanceof LoginError && (error.code === 'NOT_SIGNED_IN' || error.code === 'LOCKED');
}

function told(name: MethodName, error: unknown, context: AuthContext): ConnectError {
  const incident = randomUUID().slice(0, 8);
  if (!(error instanceof TesseraError) || error instanceof BugError)
    context.log.error({ err: error, method: name, incident }, 'auth: a call failed');
  else context.log.debug({ code: error.code, reason: error.message, method: name }, 'auth: a call was refused');
  return toConnectError(error, incident);
}
