import { existsSync } from 'node:fs';
import { GetSsoTestResponse_State as State, type GetSsoTestResponse } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { systemClock, type Clock } from '../../telemetry/clock.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import type { Outcome } from '../command.ts';
import { failure, UsageError } from '../failure.ts';
import { print, type Format } from '../format.ts';
import { tell, visible, type Io } from '../io.ts';
import { withProgress } from '../progress.ts';
import { renderPairs, renderTable } from '../table.ts';
import { withAuth, type Globals } from './admin.ts';
import { readResources, toApiJson } from './create.ts';
import { parseReference } from './resources.ts';

export type SsoTestOptions = { readonly format: Format; readonly browser: 'auto' | 'none' };

/** Asked this often whether the provider's answer came, milliseconds. */
const POLL_MS = 1000;
/** Told at the end instead. */
const SHOWN_BELOW: ReadonlySet<string> = new Set(['traits', 'record']);
const KINDS: ReadonlySet<string> = new Set(['oidc', 'saml', 'github']);

/**
 * Tries a sign-in with a connector that need not be stored: prints where to go (and opens it when it can), waits, and shows each step, each rule, and who would have been signed in. Exit code 1 when nobody would have.
 */
export async function testSso(
  io: Io,
  globals: Globals,
  what: string,
  options: SsoTestOptions,
  clock: Clock = systemClock,
): Promise<Outcome> {
  const result = await withAuth(io, globals, async (connection) => {
    const json = await connectorOf(io, connection, what);
    const { testId, redirectUrl, expires } = await withProgress(
      io,
      'asking the provider',
      connection.client.startSsoTest({ json }),
    );
    await show(io, redirectUrl, options);
    const waiting = waitFor(connection, testId, { untilMs: Date.parse(expires), clock });
    return withProgress(io, 'waiting for the sign-in', waiting);
  });
  await print(io, options.format, machineForm(result), () => textForm(result));
  return result.state === State.SUCCEEDED ? 0 : 1;
}

async function connectorOf(io: Io, { client }: AuthConnection, what: string): Promise<string> {
  if (what !== '-' && !existsSync(what) && /^\w+\/[^/]+$/.test(what)) {
    const { kind, name = '' } = parseReference(what);
    if (!KINDS.has(kind))
      throw new UsageError(`${what}: expected a connector, oidc/<name>, saml/<name> or github/<name>`);
    return (await client.getResource({ kind, name })).resource?.json ?? '';
  }
  const resources = await readResources(io, what);
  const [connector, ...more] = resources.filter(({ kind }) => KINDS.has(kind));
  if (connector === undefined || more.length > 0)
    throw new UsageError(
      `${what}: expected one connector (kind oidc, saml or github), got ${more.length + (connector === undefined ? 0 : 1)}`,
    );
  return toApiJson(connector);
}

async function show(io: Io, url: string, { browser }: SsoTestOptions): Promise<void> {
  const opened = browser === 'auto' && (await (await import('../tsh/browser-open.ts')).openBrowser(io, url));
  tell(io, opened ? 'Your browser opens; sign in there. When nothing opens:' : 'Open in a browser and sign in:');
  tell(io, `  ${visible(url)}`);
}

async function waitFor(
  { client }: AuthConnection,
  testId: string,
  { untilMs, clock }: { readonly untilMs: number; readonly clock: Clock },
): Promise<GetSsoTestResponse> {
  while (clock.now() < untilMs) {
    const result = await client.getSsoTest({ testId });
    if (result.state !== State.PENDING) return result;
    await clock.sleep(POLL_MS);
  }
  throw failure(
    'SSO_TEST_TIMEOUT',
    'no answer of the provider came within 10 minutes',
    'did the provider refuse the redirect address? it must be allowed there exactly as the connector says it',
  );
}

function textForm(result: GetSsoTestResponse): string {
  const succeeded = result.state === State.SUCCEEDED;
  const claims = listsIn(result.steps.find((step) => step.name === 'claims' && step.ok)?.detail);
  const steps = result.steps.flatMap((step) => {
    if (step.ok && SHOWN_BELOW.has(step.name)) return [];
    const isClaims = step.ok && step.name === 'claims' && claims !== undefined;
    return [
      [step.name, resultOf(step, result), isClaims ? `${Object.keys(claims).join(', ')}: values below` : step.detail],
    ];
  });
  return [
    // Never cut: why a rule missed is what this is for.
    renderTable([{ title: 'Step' }, { title: 'Result' }, { title: 'Detail' }], steps),
    ...(claims === undefined ? [] : ['', 'Claims:', renderPairs(pairsOf(claims), '  ')]),
    '',
    ...(succeeded
      ? [
          renderPairs([
            ['User', result.user],
            ['Roles', result.roles.join(', ')],
            ['Traits', Object.keys(listsIn(result.traitsJson) ?? {}).join(', ')],
          ]),
          '',
          'Nobody was signed in and nothing was written.',
        ]
      : ['Nobody would have been signed in: see the last step.']),
  ].join('\n');
}

type Lists = Readonly<Record<string, readonly string[]>>;

function listsIn(json: string | undefined): Lists | undefined {
  try {
    return json === undefined ? undefined : (JSON.parse(json) as Lists);
  } catch {
    // A detail that was cut.
    return undefined;
  }
}

function pairsOf(lists: Lists): readonly (readonly [string, string])[] {
  return Object.entries(lists).map(([name, values]) => [name, values.join(', ')] as const);
}

function resultOf(step: { readonly name: string; readonly ok: boolean }, { state }: GetSsoTestResponse): string {
  if (step.name === 'mapping') return step.ok ? 'hit' : 'missed';
  if (step.ok) return 'ok';
  return state === State.SUCCEEDED ? 'note' : 'failed';
}

function machineForm(result: GetSsoTestResponse): unknown {
  const succeeded = result.state === State.SUCCEEDED;
  return {
    succeeded,
    ...(succeeded ? { user: result.user, roles: result.roles, traits: JSON.parse(result.traitsJson) as unknown } : {}),
    steps: result.steps.map(({ name, ok, detail }) => ({ name, ok, detail })),
  };
}
