import type { Command } from 'commander';
import { Option } from 'commander';
import { collect, examples, formatOption } from '../command.ts';
import type { Format } from '../format.ts';
import type { ConfigureOptions } from './configure.ts';
import type { Context } from './program.ts';

/** Adds `tessera start`, `configure`, `check-config`, `status` and `version`. */
export function addServiceCommands(program: Command, { io, globals, act }: Context): void {
  examples(
    program
      .command('start')
      .description('run the services that the configuration enables, until TERM or INT')
      .action(async () => act((await import('./start.ts')).start(io, globals()))),
    'tessera start -c tessera.yaml',
  );
  addConfigure(program, { io, globals, act });
  examples(
    program
      .command('check-config')
      .description('read the configuration and say every problem, with line and column')
      .action(async () => act((await import('./start.ts')).checkConfig(io, globals()))),
    'tessera check-config -c tessera.yaml',
  );
  examples(
    program
      .command('status')
      .description("the cluster's name, CA pins, authorities, services and audit backlog")
      .addOption(formatOption())
      .action(async (options: { format: Format }) => act((await import('./status.ts')).status(io, globals(), options))),
    'tessera status',
  );
  examples(
    program
      .command('version')
      .description('print the version')
      .addOption(formatOption())
      .action(async (options: { format: Format }) =>
        act((await import('../version-command.ts')).version(io, 'tessera', options)),
      ),
    'tessera version',
  );
}

function addConfigure(program: Command, { io, act }: Context): void {
  examples(
    program
      .command('configure')
      .description('print or write a configuration to start from')
      .addOption(
        new Option('--roles <roles>', 'auth, proxy, db: comma-separated (default: auth,proxy)').argParser(collect),
      )
      .option('--cluster-name <name>', 'role auth: the name, for good')
      .option('--public-addr <host:port>', 'role proxy: how people reach it')
      .option('--auth-server <host:port>', 'role proxy on a machine of its own: where Auth is')
      .option('--proxy-server <host:port>', "role db: the proxy's public address")
      .option('--token <file>', 'joining: file with the join token')
      .addOption(new Option('--ca-pin <pin>', 'joining: sha256:... of the cluster').argParser(collect))
      .option('--data-dir <folder>', 'where state and keys are kept', '/var/lib/tessera')
      .option('-o, --output <file>', 'write there (mode 0600) instead of printing')
      .action(async (options: ConfigureOptions) => act((await import('./configure.ts')).configure(io, options))),
    'tessera configure --cluster-name=example --public-addr=access.example.com:3080 -o tessera.yaml',
    'tessera configure --roles=db --proxy-server=access.example.com:3080 --token=/etc/tessera.token --ca-pin=sha256:...',
  );
}
