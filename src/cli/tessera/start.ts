import { ConfigError } from '../../errors.ts';
import type { Outcome } from '../command.ts';
import { failure, failureText, reportFailure } from '../failure.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import { readIfThere } from '../files.ts';
import { configPath } from './admin.ts';

/** Runs the services of a configuration until they end. Exit code 2: the configuration is wrong, starting again will not help. */
export async function start(io: Io, options: { readonly config?: string | undefined }): Promise<Outcome> {
  const { path } = configPath(io, options.config);
  const { runProcess } = await import('../../service/process.ts');
  try {
    return await runProcess(path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    reportFailure(io, 'tessera', error);
    return 2;
  }
}

/** Reads a configuration and says every problem with file, line and column. */
export async function checkConfig(io: Io, options: { readonly config?: string | undefined }): Promise<Outcome> {
  const { path } = configPath(io, options.config);
  const text = readConfig(path);
  const { parseConfig } = await import('../../config/parse.ts');
  const config = parseConfig(text, path, io.env);
  const services = [
    config.auth && 'auth_service',
    config.proxy && 'proxy_service',
    config.database && 'db_service',
  ].filter((name) => name !== undefined);
  say(io, `${path} is right: ${services.join(', ')}; data in ${config.dataDir}`);
  say(io, `Next: tessera start -c ${path}`);
}

function readConfig(path: string): string {
  let text: string | undefined;
  try {
    text = readIfThere(path);
  } catch (error) {
    throw failure(
      'CONFIG_UNREADABLE',
      `configuration ${path} can not be read: ${failureText(error)}`,
      'give its path with -c',
      error,
    );
  }
  if (text === undefined)
    throw failure(
      'CONFIG_MISSING',
      `configuration ${path} does not exist`,
      'give its path with -c, or write one: tessera configure --help',
    );
  return text;
}
