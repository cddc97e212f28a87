import type { AuthConnection } from '../../rpc/client.ts';
import { systemClock, type Clock } from '../../telemetry/clock.ts';
import type { Outcome } from '../command.ts';
import { failure, failureText, refusalCode } from '../failure.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth, say, tell, visible } from '../io.ts';
import type { Prompter } from '../prompt.ts';
import { openPrompter } from '../prompt.ts';
import { withProgress } from '../progress.ts';
import { renderTable } from '../table.ts';
import type { MfaMode } from './mfa-modes.ts';
import { showOneTimeSecret } from './one-time-secret.ts';
import type { ShownFactor } from './second-factors.ts';
import { SecondFactors } from './second-factors.ts';
import type { Chosen, Session } from './session.ts';
import { connectSession, openSession } from './session.ts';

export type MfaOptions = Chosen & { readonly mfaMode?: MfaMode | undefined };
export type MfaAddOptions = MfaOptions & {
  readonly type: 'totp' | 'webauthn';
  readonly name?: string | undefined;
};

type Work = {
  readonly session: Session;
  readonly connection: AuthConnection;
  readonly prompter: Prompter;
  readonly factors: SecondFactors;
};
type Devices = Awaited<ReturnType<AuthConnection['client']['listMfaDevices']>>['devices'];
type Device = Devices[number];

/** Lists the person's second factors. */
export async function mfaLs(io: Io, options: Chosen & { readonly format: Format }): Promise<Outcome> {
  await withSession(io, options, async ({ connection }) => {
    const { devices } = await withProgress(io, 'listing', connection.client.listMfaDevices({}));
    await print(io, options.format, devices.map(machineForm), () => table(io, devices));
  });
}

/** Adds a second factor: a device for one-time codes here in the terminal, a passkey in the browser. */
export async function mfaAdd(io: Io, options: MfaAddOptions, clock: Clock = systemClock): Promise<Outcome> {
  await withSession(io, options, (work) =>
    options.type === 'totp' ? addCodes(io, work, options.name ?? '') : addPasskey(io, work, clock),
  );
}

/** Removes one, by its name or id. */
export async function mfaRm(io: Io, name: string, options: MfaOptions): Promise<Outcome> {
  await withSession(io, options, async (work) => {
    const { client } = work.connection;
    const { devices } = await withProgress(io, 'looking it up', client.listMfaDevices({}));
    const device = devices.find((each) => each.name === name) ?? devices.find((each) => each.id === name);
    if (device === undefined)
      throw failure('NO_SUCH_FACTOR', `you have no second factor "${visible(name)}"`, 'see them all: tsh mfa ls');
    await work.factors.run(work, `remove the second factor ${device.name}`, (proof) =>
      withProgress(io, 'removing it', client.removeMfaDevice({ id: device.id, proof })),
    );
    say(io, `Second factor ${visible(device.name)} is removed.`);
  });
}

async function withSession(io: Io, options: MfaOptions, act: (work: Work) => Promise<void>): Promise<void> {
  const session = openSession(io, options);
  const connection = await connectSession(io, session);
  using prompter = openPrompter(io);
  try {
    await act({ session, connection, prompter, factors: new SecondFactors(io, options.mfaMode, prompter) });
  } finally {
    connection.close();
  }
}

async function addCodes(io: Io, work: Work, name: string): Promise<void> {
  const { client } = work.connection;
  const { devices } = await withProgress(io, 'looking around', client.listMfaDevices({}));
  const begin = (proof?: ShownFactor) =>
    withProgress(io, 'beginning', client.beginMfaAdd({ kind: 'otp', name, ...(proof === undefined ? {} : { proof }) }));
  const begun = devices.length === 0 ? await begin() : await work.factors.run(work, 'add a second factor', begin);
  await showOneTimeSecret(io, begun.oneTimeCodeUri);
  const device = await finishCodes(io, work, begun.addition);
  say(io, `Second factor ${visible(device?.name ?? '')} is added. Its codes are good for tsh login from now on.`);
}

async function finishCodes(io: Io, { connection, prompter }: Work, addition: string): Promise<Device | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const oneTimeCode = (await prompter.text('One-time code that the new device shows')).replaceAll(/\s/g, '');
    try {
      return (await withProgress(io, 'adding it', connection.client.finishMfaAdd({ addition, oneTimeCode }))).device;
    } catch (error) {
      const again = prompter.interactive && attempt < MAX_ATTEMPTS;
      if (refusalCode(error) !== 'ONE_TIME_CODE_WRONG' || !again) throw error;
      tell(io, visible(failureText(error)));
    }
  }
}

/** The browser asks for a factor that is there already, so tsh does not. */
async function addPasskey(io: Io, { session, connection }: Work, clock: Clock): Promise<void> {
  const { client } = connection;
  const known = new Set((await withProgress(io, 'looking around', client.listMfaDevices({}))).devices.map(idOf));
  const url = `https://${session.profile.proxy}/web/account?add=passkey`;
  const { hasBrowser, openBrowser } = await import('./browser-open.ts');
  const opened = hasBrowser(io) && (await openBrowser(io, url));
  tell(
    io,
    opened ? 'Your browser opens; sign in there and add the passkey. When nothing opens:' : 'Open in a browser:',
  );
  tell(io, `  ${url}`);
  tell(io, 'Waiting for the passkey; Ctrl-C when you have enough.');
  const untilMs = clock.now() + WAIT_MS;
  while (clock.now() < untilMs) {
    await clock.sleep(POLL_MS);
    const added = (await client.listMfaDevices({})).devices.find(
      (device) => device.kind === 'webauthn' && !known.has(device.id),
    );
    if (added === undefined) continue;
    say(io, `Passkey ${visible(added.name)} is added${added.passwordless ? '; it signs in without a password' : ''}.`);
    return;
  }
  throw failure(
    'PASSKEY_NOT_SEEN',
    `no passkey was added within ${WAIT_MS / 60_000} minutes`,
    `add it at ${url}, then see: tsh mfa ls`,
  );
}

function table(io: Io, devices: Devices): string {
  if (devices.length === 0) return 'You have no second factor. Add one: tsh mfa add';
  const columns = [{ title: 'Name', shrink: true }, { title: 'Type' }, { title: 'Added' }, { title: 'Last used' }];
  const rows = devices.map((device) => [device.name, typeOf(device), day(device.added), day(device.lastUsed)]);
  return renderTable(columns, rows, outputWidth(io));
}

function typeOf({ kind, passwordless }: Device): string {
  if (kind === 'otp') return 'one-time codes';
  return passwordless ? 'passkey (no password needed)' : 'passkey';
}

function machineForm(device: Device): object {
  return {
    id: device.id,
    name: device.name,
    type: device.kind === 'otp' ? 'totp' : 'webauthn',
    added: device.added,
    last_used: device.lastUsed,
    passwordless: device.passwordless,
  };
}

function idOf({ id }: Device): string {
  return id;
}

/** `2026-01-31 12:05` of an RFC 3339 time, UTC. */
function day(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

const MAX_ATTEMPTS = 3;
const POLL_MS = 2000;
const WAIT_MS = 10 * 60_000;
