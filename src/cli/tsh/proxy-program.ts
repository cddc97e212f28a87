import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { examples, formatOption } from '../command.ts';
import type { Io } from '../io.ts';
import { routeOptions } from './db-program.ts';
import type { Act } from './program.ts';
import type { ProxyDbOptions } from './proxy-db.ts';

/** Adds `tsh proxy ...`. */
export function addProxyCommands(program: Command, io: Io, act: Act): void {
  const proxy = examples(
    program
      .command('proxy')
      .description('open a local endpoint for clients that know no certificates')
      .helpCommand(false),
    'tsh proxy db --tunnel orders --port=15432',
  );
  examples(
    routeOptions(
      proxy
        .command('db')
        .description('listen on this machine and lead each connection to one database, as you, until Ctrl-C')
        .argument('[database]', 'its name, or the beginning of it'),
    )
      .option('--tunnel', 'connect for the client: it needs no certificate and no password')
      .addOption(
        new Option('-p, --port <number>', 'listen on this port of 127.0.0.1 (default: a free one)').argParser(
          parsePort,
        ),
      )
      .option('--listen <address:port>', 'listen there instead of 127.0.0.1')
      .option(
        '--insecure-listen-anywhere',
        'allow --listen to be reachable from other machines: whoever connects is you',
      )
      .addOption(
        new Option('--max-connections <count>', 'how many at a time, 1 to 10000 (default: 256)').argParser(parseCount),
      )
      .addOption(formatOption())
      .action(async (name: string | undefined, options: ProxyDbOptions) =>
        act((await import('./proxy-db.ts')).proxyDb(io, name, options)),
      ),
    'tsh proxy db --tunnel orders',
    'tsh proxy db --tunnel orders --port=15432 --db-user=reader --db-name=shop',
    'tsh proxy db --tunnel orders --format=json',
  );
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('Expected a port from 1 to 65535, or 0 for a free one.');
  return port;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 10_000)
    throw new InvalidArgumentError('Expected a whole number from 1 to 10000.');
  return count;
}
