import type { Command } from 'commander';
import { examples, formatOption } from '../command.ts';
import type { Format } from '../format.ts';
import type { Context } from './program.ts';

/** Adds `tessera get`, `create`, `edit` and `rm`. */
export function addResourceCommands(program: Command, { io, globals, act }: Context): void {
  examples(
    program
      .command('get')
      .description('print resources as documents that create reads back')
      .argument(
        '<what>',
        'kind, kind/name, several with commas, or all; kinds: user role db token lock cluster_auth_preference oidc saml github db_server proxy_server',
      )
      .addOption(formatOption('yaml'))
      .action(async (what: string, options: { format: Format }) =>
        act((await import('./resources.ts')).getResources(io, globals(), what, options)),
      ),
    'tessera get roles',
    'tessera get role/access > access.yaml',
    'tessera get all --format=json',
  );
  examples(
    program
      .command('create')
      .description('create every document of a file')
      .argument('[file]', 'YAML file')
      .option('-f, --file <file>', 'YAML file; - for stdin')
      .option('--force', 'replace what exists')
      .action(async (file: string | undefined, options: { file?: string; force?: boolean }) =>
        act((await import('./create.ts')).create(io, globals(), file, options)),
      ),
    'tessera create -f role.yaml',
    'tessera get role/access | sed s/access/staging/ | tessera create -f -',
  );
  examples(
    program
      .command('edit')
      .description('change one resource in $EDITOR; a change by somebody else in between is told')
      .argument('<kind/name>', 'which')
      .action(async (what: string) => act((await import('./edit.ts')).edit(io, globals(), what))),
    'EDITOR=nano tessera edit role/access',
  );
  examples(
    program
      .command('rm')
      .description('remove resources')
      .argument('<kind/name...>', 'which')
      .action(async (what: string[]) => act((await import('./resources.ts')).removeResources(io, globals(), what))),
    'tessera rm role/staging',
    'tessera rm lock/5a0e8c9e-2b55-4d8e-9f60-5a4c2f7f1f5e',
  );
}
