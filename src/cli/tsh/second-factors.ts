import type { AuthConnection } from '../../rpc/client.ts';
import { failure, refusalCode } from '../failure.ts';
import type { Io } from '../io.ts';
import { tell } from '../io.ts';
import type { Prompter } from '../prompt.ts';
import { openPrompter } from '../prompt.ts';
import type { MfaMode } from './mfa-modes.ts';
import type { Session } from './session.ts';

/** As the API's `MfaProof`. */
export type ShownFactor = { readonly oneTimeCode: string } | { readonly token: string };

type At = { readonly session: Session; readonly connection: AuthConnection };

/**
 * Asks the person for second factors, one question at a time, and again when one was refused. `prompter` undefined: nobody can be asked here (stdin is a client's, or there is no
 * terminal), which leaves the browser.
 */
export class SecondFactors {
  readonly #io: Io;
  readonly #mode: MfaMode;
  readonly #prompter: Prompter | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(io: Io, mode: MfaMode | undefined, prompter: Prompter | undefined) {
    this.#io = io;
    this.#mode = mode ?? 'auto';
    this.#prompter = prompter;
  }

  /** Calls with what the person shows; `deed` completes "one-time code to ...". Throws what `call` throws when it is not about the factor, or was refused too often; Cancelled. */
  run<T>(at: At, deed: string, call: (shown: ShownFactor) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(() => this.#run(at, deed, call));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #run<T>(at: At, deed: string, call: (shown: ShownFactor) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const shown = await this.#shown(at, deed);
      try {
        return await call(shown);
      } catch (error) {
        const again = this.#prompter?.interactive === true && attempt < MAX_ATTEMPTS;
        if (refusalCode(error) !== 'SECOND_FACTOR_REFUSED' || !again) throw error;
        tell(this.#io, 'Refused; try again (a code is good once: wait for the next).');
      }
    }
  }

  async #shown(at: At, deed: string): Promise<ShownFactor> {
    const { oneTimeCode, webauthnOptionsJson } = await at.connection.client.beginMfaChallenge({});
    const passkey = webauthnOptionsJson !== '';
    if (!oneTimeCode && !passkey)
      throw failure('NO_SECOND_FACTOR', `a second factor is needed to ${deed}, and you have none`, 'tsh mfa add');
    const codeHere = oneTimeCode && this.#prompter !== undefined;
    if (this.#mode === 'browser' || (this.#mode === 'auto' && !codeHere && passkey)) return this.#inBrowser(at, deed);
    if (!oneTimeCode)
      throw failure(
        'NO_ONE_TIME_CODES',
        'you have no device for one-time codes',
        '--mfa-mode=browser, or: tsh mfa add',
      );
    if (this.#prompter === undefined)
      throw failure(
        'NOBODY_TO_ASK',
        `a one-time code is needed to ${deed}, and nobody can be asked here`,
        'run "tsh db login" first, which asks; or add --mfa-mode=browser',
      );
    return { oneTimeCode: (await this.#prompter.text(`One-time code to ${deed}`)).replaceAll(/\s/g, '') };
  }

  async #inBrowser({ session }: At, deed: string): Promise<ShownFactor> {
    const { confirmInBrowser } = await import('./browser-confirm.ts');
    return { token: await confirmInBrowser(this.#io, session, { description: deed }) };
  }
}

/** Questions only in a terminal: for commands whose stdin is for somebody else. */
export function terminalPrompter(io: Io): Prompter | undefined {
  return io.stdin.isTTY === true && io.stderr.isTTY === true ? openPrompter(io) : undefined;
}

const MAX_ATTEMPTS = 3;
