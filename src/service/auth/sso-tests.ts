import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { GetSsoTestResponse_State as State, type FinishSsoRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { ConfigError, StorageError, TesseraError } from '../../errors.ts';
import { parseResourceJson } from '../../resource/parse.ts';
import { toJson } from '../../resource/print.ts';
import type { Trace } from '../../sso/connector.ts';
import { checkAnswer, SSO_REQUEST_TTL_MS, type SsoRequest } from '../../sso/requests.ts';
import type { Item, Json } from '../../state/store.ts';
import { isConnector, prepareConnector, providerOf, sealedSchema } from './connectors.ts';
import type { AuthContext } from './context.ts';
import type { Handlers } from './gate.ts';
import { begin } from './sso-begin.ts';
import { judge } from './sso-judge.ts';
import { previewSsoPerson } from './sso-people.ts';

/** A sign-in tried out: with a connector that need not be stored, each step told, nobody signed in, nothing of the person written. Kept ten minutes. */

/** Where the browser goes at the end; the sign-in page has words for it. */
export const TEST_OVER_PAGE = '/web/login?error=SSO_TESTED';
/** maxSsoTestSteps, maxSsoTestDetail (UTF-16 units), maxSsoTestLength (all details). */
const LIMITS = { steps: 1200, detail: 16 * 1024, length: 256 * 1024 } as const;

const step = z.strictObject({ name: z.string(), ok: z.boolean(), detail: z.string() });
const schema = z.strictObject({
  /** JSON of the connector without its secrets, and these, sealed. */
  connector: z.string(),
  sealed: sealedSchema,
  state: z.enum(['pending', 'succeeded', 'failed']),
  steps: z.array(step),
  user: z.string(),
  roles: z.array(z.string()),
  traits: z.record(z.string(), z.array(z.string())),
});
type SsoTest = z.infer<typeof schema>;

export const startSsoTest: Handlers['startSsoTest'] = async (request, { caller, context, web }) => {
  const connector = parseResourceJson(request.json);
  if (!isConnector(connector)) throw new ConfigError([`kind: expected oidc, saml or github, got ${connector.kind}`]);
  const prepared = await prepareConnector(connector, context);
  const testId = randomBytes(32).toString('base64url');
  const provider = await providerOf(prepared, context);
  const expiresMs = context.clock.now() + SSO_REQUEST_TTL_MS;
  const test: SsoTest = {
    connector: JSON.stringify(toJson(prepared.record)),
    sealed: prepared.sealed,
    state: 'pending',
    steps: [],
    user: '',
    roles: [],
    traits: {},
  };
  const of = { purpose: { type: 'test', testId }, address: caller.address, origin: web?.origin } as const;
  const redirectUrl = await begin({ connector: prepared.record, provider }, of, context);
  await context.store.put(keyOf(testId), test as Json, { expect: 'absent', expiresMs });
  return { testId, redirectUrl, expires: new Date(expiresMs).toISOString() };
};

export const getSsoTest: Handlers['getSsoTest'] = async (request, { context }) => {
  const found = await readTest(request.testId, context);
  if (found === undefined)
    throw new StorageError('NOT_FOUND', 'this try-out is over: it took longer than 10 minutes, or there was none');
  const { state, steps, user, roles, traits } = found.test;
  return { state: STATES[state], steps, user, roles, traitsJson: JSON.stringify(traits) };
};

/** A provider's answer to a try-out. Never throws for what the answer is: that is the result. */
export async function finishSsoTest(
  of: {
    readonly testId: string;
    readonly request: SsoRequest;
    readonly requestId: string | undefined;
    readonly answer: FinishSsoRequest;
  },
  context: AuthContext,
): Promise<{ readonly redirectUrl: string }> {
  const found = await readTest(of.testId, context);
  if (found?.test.state !== 'pending') return { redirectUrl: TEST_OVER_PAGE };
  const steps = new Steps();
  const outcome = await run(found.test, of, steps.trace, context).catch((error: unknown) => {
    if (!(error instanceof TesseraError)) throw error;
    steps.trace({ name: 'result', ok: false, detail: `${error.message} (${error.code})` });
    return undefined;
  });
  const after: SsoTest = {
    ...found.test,
    ...outcome,
    state: outcome === undefined ? 'failed' : 'succeeded',
    steps: [...steps.all],
  };
  const expiresMs = context.clock.now() + SSO_REQUEST_TTL_MS;
  await context.store.put(keyOf(of.testId), after as Json, { expect: found.item.revision, expiresMs });
  return { redirectUrl: TEST_OVER_PAGE };
}

async function run(
  test: SsoTest,
  { request, requestId, answer }: Parameters<typeof finishSsoTest>[0],
  trace: Trace,
  context: AuthContext,
): Promise<Pick<SsoTest, 'user' | 'roles' | 'traits'>> {
  const record = parseResourceJson(test.connector);
  if (!isConnector(record)) throw new StorageError('SSO_TEST_INVALID', 'stored try-out is not of a connector');
  checkAnswer(request, answer);
  trace({ name: 'request', ok: true, detail: `${record.kind} connector ${record.metadata.name}` });
  const provider = await providerOf({ record, sealed: test.sealed }, context);
  const { parameters } = answer;
  const told = await provider.finish({ parameters, kept: request.kept, requestId }, trace);
  const { subject, username, roles, traits } = await judge(record, told, trace, context);
  const person = { connector: record, subject, username, roles, traits, untilMs: context.clock.now() };
  const { metadata, ...user } = await previewSsoPerson(person, context);
  // When it ends depends on what is signed in for.
  const shown = { ...user, metadata: { ...metadata, expires: undefined } };
  trace({ name: 'record', ok: true, detail: JSON.stringify(shown) });
  trace({ name: 'result', ok: true, detail: `${username} would be signed in with ${roles.join(', ')}` });
  const lists = Object.entries(traits).map(([name, values]): [string, string[]] => [name, [...values]]);
  return { user: username, roles: [...roles], traits: Object.fromEntries(lists) };
}

/** Steps within limits. */
class Steps {
  readonly all: z.infer<typeof step>[] = [];
  #length = 0;

  readonly trace: Trace = ({ name, ok, detail }) => {
    const text = detail.length > LIMITS.detail ? `${detail.slice(0, LIMITS.detail).toWellFormed()}...` : detail;
    if (this.all.length >= LIMITS.steps || this.#length + text.length > LIMITS.length) return;
    this.#length += text.length;
    this.all.push({ name, ok, detail: text });
  };
}

async function readTest(
  id: string,
  context: AuthContext,
): Promise<{ readonly item: Item; readonly test: SsoTest } | undefined> {
  const item = /^[\w-]{43}$/.test(id) ? await context.store.read(keyOf(id)) : undefined;
  const test = schema.safeParse(item?.value);
  return item === undefined || !test.success ? undefined : { item, test: test.data };
}

const STATES = { pending: State.PENDING, succeeded: State.SUCCEEDED, failed: State.FAILED } as const;

function keyOf(id: string): string {
  return `/sso_test/${id}`;
}
