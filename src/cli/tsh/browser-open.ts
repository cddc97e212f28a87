import { spawn } from 'node:child_process';
import type { Io } from '../io.ts';
import { findProgram } from './run-program.ts';

/** Opening an address in the person's browser, with nothing of a shell in between. */

/** Whether a browser that is opened here would be one that the person sees: not over SSH, not without a display. `BROWSER` says so whatever the rest; `BROWSER=none`: no. */
export function hasBrowser({ env }: Io, platform: NodeJS.Platform = process.platform): boolean {
  const chosen = env['BROWSER'] ?? '';
  if (chosen !== '') return chosen !== 'none';
  if (isRemote(env)) return false;
  return (
    platform !== 'linux' || isSet(env['DISPLAY']) || isSet(env['WAYLAND_DISPLAY']) || isSet(env['WSL_DISTRO_NAME'])
  );
}

/** Whether this terminal is on another machine than its person. */
export function isRemote(env: Io['env']): boolean {
  return isSet(env['SSH_CONNECTION']) || isSet(env['SSH_TTY']) || isSet(env['SSH_CLIENT']);
}

/** True when a browser was started; false when there is none or it failed at once. Never throws. Only http and https addresses are opened. */
export async function openBrowser(io: Io, url: string, platform: NodeJS.Platform = process.platform): Promise<boolean> {
  const address = URL.parse(url);
  if (address === null || !/^https?:$/.test(address.protocol)) return false;
  for (const [name = '', ...args] of commandsOf(io.env, address.href, platform)) {
    const path = name.includes('/') || name.includes('\\') ? name : findProgram(io, name);
    if (path !== undefined && (await start(path, args, io.env))) return true;
  }
  return false;
}

/** `BROWSER` as it is used elsewhere: programs between colons, `%s` for the address; else the system's own way. */
function commandsOf(env: Io['env'], url: string, platform: NodeJS.Platform): readonly (readonly string[])[] {
  const chosen = env['BROWSER'] ?? '';
  if (chosen === 'none') return [];
  if (chosen !== '')
    return chosen.split(platform === 'win32' ? ';' : ':').flatMap((command) => {
      const words = command.split(/\s+/).filter((word) => word !== '');
      if (words.length === 0) return [];
      return [
        words.some((word) => word.includes('%s'))
          ? words.map((word) => word.replaceAll('%s', () => url))
          : [...words, url],
      ];
    });
  if (platform === 'darwin') return [['open', url]];
  if (platform === 'win32') return [['rundll32', 'url.dll,FileProtocolHandler', url]];
  return [...(isSet(env['WSL_DISTRO_NAME']) ? [['wslview', url]] : []), ['xdg-open', url]];
}

function start(path: string, args: readonly string[], env: Io['env']): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const child = spawn(path, [...args], { stdio: 'ignore', detached: true, env: { ...env } });
  // Some stay for as long as the browser does: who is still there after a moment has not failed.
  const timer = setTimeout(() => resolve(true), SETTLE_MS);
  child.once('error', () => resolve(false));
  child.once('exit', (code) => resolve(code === 0));
  child.unref();
  return promise.finally(() => clearTimeout(timer));
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

/** browserSettleTime: longer than a launcher takes to find that it has nothing to launch. */
const SETTLE_MS = 1500;
