/** A person with a home folder, a password and a one-time-code generator, who uses `tsh`. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { authenticatorApp, type AuthenticatorApp } from './authenticator-app.ts';
import { runCommand, runOk, type Output, type RunOptions } from './command.ts';
import { top } from './service-process.ts';

export type Person = {
  readonly name: string;
  readonly home: string;
  readonly password: string;
  readonly env: Readonly<Record<string, string>>;
  tsh(...args: string[]): Promise<string>;
  tryTsh(args: readonly string[], options?: RunOptions): Promise<Output>;
  /** A code that was not used before: this half minute's or the next one's, which Auth accepts too; waits when both are spent. */
  code(): Promise<string>;
  login(...flags: string[]): Promise<string>;
};

export type InviteOptions = {
  readonly home: string;
  readonly proxy: string;
  readonly caPin: string;
  /** Sees what `tsh invite` prints. */
  readonly onOutput?: (text: string) => void;
};

/** Accepts the invitation as a person would: password twice, then the code of the secret that was shown. */
export async function invite(name: string, link: string, at: InviteOptions): Promise<Person> {
  const password = `correct horse ${name} battery`;
  const app = await acceptInvite(link, at, environment(at.home), password);
  return personWith(name, { password, app }, at);
}

/** Somebody who has password and app already, from the web UI. */
export function personWith(
  name: string,
  { password, app }: { readonly password: string; readonly app: AuthenticatorApp },
  at: InviteOptions,
): Person {
  const env = environment(at.home);
  const program = ['--disable-warning=ExperimentalWarning', join(top, 'bin/tsh.ts')];
  return {
    name,
    home: at.home,
    password,
    env,
    tsh: (...args) => runOk(process.execPath, [...program, ...args], { env }),
    tryTsh: (args, options = {}) =>
      runCommand(process.execPath, [...program, ...args], { ...options, env: { ...env, ...options.env } }),
    code: () => app.code(),
    async login(...flags) {
      const input = `${password}\n${await app.code()}\n`;
      return runOk(
        process.execPath,
        [...program, 'login', `--proxy=${at.proxy}`, `--user=${name}`, `--ca-pin=${at.caPin}`, ...flags],
        { env, input },
      );
    },
  };
}

function environment(home: string): Readonly<Record<string, string>> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return {
    HOME: home,
    TESSERA_HOME: join(home, '.tsh'),
    PGSERVICEFILE: join(home, '.pg_service.conf'),
    NO_COLOR: '1',
  };
}

function acceptInvite(
  link: string,
  at: InviteOptions,
  env: Readonly<Record<string, string>>,
  password: string,
): Promise<AuthenticatorApp> {
  const args = [
    '--disable-warning=ExperimentalWarning',
    join(top, 'bin/tsh.ts'),
    'invite',
    link,
    `--ca-pin=${at.caPin}`,
  ];
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: 'pipe' });
    let output = '';
    let app: AuthenticatorApp | undefined;
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      at.onOutput?.(chunk.toString());
      const uri = /otpauth:\/\/\S+/.exec(output)?.[0];
      if (app !== undefined || uri === undefined || !output.includes('\n', output.indexOf(uri))) return;
      app = authenticatorApp(uri);
      void app.code().then((code) => child.stdin.end(`${password}\n${password}\n${code}\n`));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', failed);
    child.on('close', (code) => {
      if (code === 0 && app !== undefined) done(app);
      else failed(new Error(`tsh invite ended with ${code}:\n${output}`));
    });
  });
}
