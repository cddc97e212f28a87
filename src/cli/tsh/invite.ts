import { pinOf } from '../../pki/pin.ts';
import type { Outcome } from '../command.ts';
import { parseInviteLink, printProxyAddress } from '../address.ts';
import { failure, failureCode, failureText } from '../failure.ts';
import type { Io } from '../io.ts';
import { say, tell, visible } from '../io.ts';
import { printDuration } from '../duration.ts';
import type { Prompter } from '../prompt.ts';
import { openPrompter } from '../prompt.ts';
import { withProgress } from '../progress.ts';
import { showOneTimeSecret } from './one-time-secret.ts';
import { ProfileStore } from './profile.ts';
import { connectThroughProxy } from './session.ts';
import { contactProxy } from './trust.ts';

export type InviteOptions = { readonly caPin?: readonly string[] | undefined; readonly insecure?: boolean | undefined };

/** Accepts an invitation or a reset: shows the one-time code's QR code, sets the password, checks a first code. */
export async function invite(io: Io, linkText: string, options: InviteOptions): Promise<Outcome> {
  const link = parseInviteLink(linkText);
  const proxy = printProxyAddress(link.proxy);
  const store = new ProfileStore(io);
  const trust = {
    caPins: options.caPin ?? [],
    insecure: options.insecure ?? false,
    pinned: store.proxyAuthorities(proxy),
    hostAuthorities: store.knownHostAuthorities(proxy),
  };
  const contact = await withProgress(io, `asking ${proxy}`, contactProxy(io, link.proxy, trust));
  const connection = await connectThroughProxy(io, proxy, { hostAuthorities: contact.hostAuthorities });
  using prompter = openPrompter(io);
  try {
    const started = await connection.client.startInvite({ token: link.token }).catch((error: unknown) => {
      throw spent(error);
    });
    const left = Date.parse(started.expires) - io.nowMs();
    tell(
      io,
      started.kind === 'reset'
        ? `New password and one-time code for ${visible(started.user)} at ${contact.clusterName}.`
        : `Welcome to ${contact.clusterName}, ${visible(started.user)}.`,
    );
    if (left > 0) tell(io, `The link is good for another ${printDuration(left)}.`);
    if (started.oneTimeCodeUri === '')
      throw failure(
        'PASSKEY_NEEDED',
        'this cluster takes passkeys only, which are made in a browser',
        `open the link there: ${linkText}`,
      );
    await showOneTimeSecret(io, started.oneTimeCodeUri);
    const user = await accept(io, prompter, connection, link.token);
    // What was proved now (or with --insecure believed) is what the sign-in is to be held to.
    const pins = contact.provedBy === 'known authorities' ? [] : contact.hostAuthorities.map(pinOf);
    const caPin = pins.map((pin) => ` --ca-pin=${pin}`).join('');
    say(io, `Password and one-time code of ${visible(user)} are set.`);
    say(io, `Next: tsh login --proxy=${proxy} --user=${visible(user)}${caPin}`);
  } finally {
    connection.close();
  }
}

async function accept(
  io: Io,
  prompter: Prompter,
  connection: Awaited<ReturnType<typeof connectThroughProxy>>,
  token: string,
): Promise<string> {
  let password = await newPassword(io, prompter);
  for (let attempt = 1; ; attempt += 1) {
    const oneTimeCode = (await prompter.text('One-time code that the app shows')).replaceAll(/\s/g, '');
    try {
      return (await withProgress(io, 'setting', connection.client.acceptInvite({ token, password, oneTimeCode }))).user;
    } catch (error) {
      const code = failureCode(error) ?? '';
      const mayRetry = prompter.interactive && attempt < MAX_ATTEMPTS;
      if (!mayRetry || !RETRYABLE.has(code)) throw error;
      tell(io, visible(failureText(error)));
      if (/password/i.test(failureText(error))) password = await newPassword(io, prompter);
    }
  }
}

async function newPassword(io: Io, prompter: Prompter): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const password = await prompter.secret(`New password (${MIN_PASSWORD} to ${MAX_PASSWORD} characters)`);
    const length = Array.from(password).length;
    const problem =
      length < MIN_PASSWORD || length > MAX_PASSWORD
        ? `a password has ${MIN_PASSWORD} to ${MAX_PASSWORD} characters, this one has ${length}`
        : password === (await prompter.secret('The same again'))
          ? undefined
          : 'the two passwords differ';
    if (problem === undefined) return password;
    if (!prompter.interactive || attempt >= MAX_ATTEMPTS)
      throw failure('PASSWORD_REFUSED', problem, 'run the command again; the link is still good');
    tell(io, problem);
  }
}

function spent(error: unknown): unknown {
  if (!SPENT.has(failureCode(error) ?? '')) return error;
  return failure(
    'INVITE_SPENT',
    'this link is not valid: it was used, it has expired, or it was not copied whole',
    'ask the administrator for a new one: tessera users reset <name>',
    error,
  );
}

const SPENT = new Set(['not_found', 'unauthenticated', 'permission_denied']);
const RETRYABLE = new Set(['unauthenticated', 'permission_denied', 'invalid_argument', 'failed_precondition']);
const MIN_PASSWORD = 12;
const MAX_PASSWORD = 128;
const MAX_ATTEMPTS = 5;
