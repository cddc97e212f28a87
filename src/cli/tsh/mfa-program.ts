import type { Command } from 'commander';
import { Option } from 'commander';
import { examples, formatOption } from '../command.ts';
import type { Format } from '../format.ts';
import type { Io } from '../io.ts';
import { MFA_MODES } from './mfa-modes.ts';
import type { MfaAddOptions, MfaOptions } from './mfa.ts';
import type { Act } from './program.ts';
import type { Chosen } from './session.ts';

/** Adds `tsh mfa ...`. */
export function addMfaCommands(program: Command, io: Io, act: Act): void {
  const mfa = examples(
    program.command('mfa').description('your second factors: one-time codes and passkeys').helpCommand(false),
    'tsh mfa ls',
    'tsh mfa add --name=phone',
  );
  examples(
    who(mfa.command('ls').description('list them'))
      .addOption(formatOption())
      .action(async (options: Chosen & { format: Format }) => act((await import('./mfa.ts')).mfaLs(io, options))),
    'tsh mfa ls',
    'tsh mfa ls --format=json',
  );
  examples(
    proof(who(mfa.command('add').description('add one, showing one that you have already')))
      .addOption(
        new Option('--type <type>', 'one-time codes of an authenticator app, or a passkey (in the browser)')
          .choices(['totp', 'webauthn'])
          .default('totp'),
      )
      .option('--name <name>', 'what to call it (a passkey gets its name in the browser)')
      .action(async (options: MfaAddOptions) => act((await import('./mfa.ts')).mfaAdd(io, options))),
    'tsh mfa add --name=phone',
    'tsh mfa add --type=webauthn',
  );
  examples(
    proof(who(mfa.command('rm').description('remove one').argument('<name>', 'its name or id'))).action(
      async (name: string, options: MfaOptions) => act((await import('./mfa.ts')).mfaRm(io, name, options)),
    ),
    'tsh mfa rm phone',
  );
}

function who(command: Command): Command {
  return command
    .option('--proxy <host:port>', 'at this proxy (default: the one signed in to last)')
    .option('--user <name>', 'refuse unless signed in as this user');
}

function proof(command: Command): Command {
  return command.addOption(new Option('--mfa-mode <mode>', 'how the one that you have is shown').choices(MFA_MODES));
}
