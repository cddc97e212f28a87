import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret, TOTP } from 'otpauth';
import { SoftwareAuthenticator, type AuthenticatorOptions } from '../../../test/kit/authenticator.ts';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import type { Store } from '../../state/store.ts';
import { NO_CREDENTIALS, writeCredentials } from './credentials.ts';
import { beginAddition, finishAddition, type Device } from './devices.ts';
import { Passwords } from './password.ts';
import { beginChallenge, checkProof, type FactorDeps, type Proof } from './second-factors.ts';

/** For tests: people with second factors in a store of their own. */

export const ORIGIN = 'https://access.example.com:3080';
export const PASSWORD = 'the password of everybody';

export class Factors implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tessera-factors-'));
  readonly store: Store;
  readonly passwords = new Passwords({ maxConcurrent: 1, cost: { memory: 64, passes: 1, lanes: 1 } });
  readonly deps: FactorDeps;
  nowMs = Date.UTC(2026, 0, 1);

  constructor() {
    const now = (): number => this.nowMs;
    this.store = openSqliteStore({ path: join(this.#folder, 'state.db'), now });
    this.deps = {
      store: this.store,
      now,
      secrets: {
        seal: (name, secret) => Promise.resolve(`${name}:${Buffer.from(secret).toString('hex')}`),
        open: (name, sealed) =>
          sealed.startsWith(`${name}:`)
            ? Promise.resolve(Buffer.from(sealed.slice(name.length + 1), 'hex'))
            : Promise.reject(new Error('sealed under another name')),
      },
      relyingParty: { id: 'access.example.com', name: 'test', origins: [ORIGIN] },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A local user with the password and no second factor. */
  async person(user: string): Promise<void> {
    await writeCredentials(this.store, user, {
      ...NO_CREDENTIALS,
      passwordHash: await this.passwords.hash(PASSWORD),
    });
  }

  /** Adds a device for one-time codes; the result shows its codes. The code of this moment is used with that. */
  async addCodes(
    user: string,
    name = '',
    local = true,
  ): Promise<{ readonly device: Device; readonly code: () => string }> {
    const of = { user, kind: 'otp', name, local, clusterName: 'test' } as const;
    const { addition, oneTimeCodeUri } = await beginAddition(of, this.deps);
    const secret = Secret.fromBase32(new URL(oneTimeCodeUri).searchParams.get('secret') ?? '');
    const code = (): string => new TOTP({ secret }).generate({ timestamp: this.nowMs });
    const answer = { user, addition, oneTimeCode: code(), webauthnResponseJson: '' };
    return { device: await finishAddition(answer, this.deps), code };
  }

  /** Adds a passkey of a new authenticator. */
  async addPasskey(
    user: string,
    options: Partial<AuthenticatorOptions> = {},
  ): Promise<{ readonly device: Device; readonly authenticator: SoftwareAuthenticator }> {
    const authenticator = new SoftwareAuthenticator({ origin: ORIGIN, ...options });
    const of = { user, kind: 'webauthn', name: '', local: true, clusterName: 'test' } as const;
    const { addition, optionsJson } = await beginAddition(of, this.deps);
    const webauthnResponseJson = authenticator.create(optionsJson);
    const device = await finishAddition({ user, addition, oneTimeCode: '', webauthnResponseJson }, this.deps);
    return { device, authenticator };
  }

  /** Steps to the next one-time code. */
  nextStep(): void {
    this.nowMs += 30_000;
  }

  begin(user: string): Promise<{ readonly challenge: string; readonly optionsJson: string }> {
    return beginChallenge(user, this.deps);
  }

  /** What became of a proof: its kind, or why not. */
  async prove(user: string, proof: Proof, deps = this.deps): Promise<string> {
    const outcome = await checkProof(user, proof, deps);
    return outcome.type === 'Proven' ? outcome.kind : outcome.reason;
  }
}
