import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { ConfigError, LimitError, LoginError, StorageError } from '../../errors.ts';
import type { Json } from '../../state/store.ts';
import {
  changeCredentials,
  NO_CREDENTIALS,
  oneTimeSealName,
  readCredentials,
  type Credentials,
  type OneTimeCodeDevice,
  type Passkey,
} from './credentials.ts';
import { keepOnce, newSecret, peekOnce, takeOnce } from './once.ts';
import { matchOneTimeCode, newOneTimeSecret, oneTimeCodeUri } from './one-time-code.ts';
import { claimPasskey, releasePasskeys } from './passkey-index.ts';
import { passkeysUnavailable, takes, type FactorDeps, type FactorKind } from './second-factors.ts';
import { checkRegistration, registrationOptions, type NewPasskey } from './webauthn.ts';

/** A person's devices for second factors: shown, added, removed. Whether it is them is the caller's to know. */

export type Device = {
  readonly id: string;
  readonly name: string;
  readonly kind: FactorKind;
  /** Unknown of devices that an earlier version added. */
  readonly addedMs: number | undefined;
  readonly lastUsedMs: number | undefined;
  readonly passwordless: boolean;
};

/** maxSecondFactors, of one person. */
export const MAX_SECOND_FACTORS = 10;
/** maxDeviceNameLength, characters. */
export const MAX_DEVICE_NAME_LENGTH = 64;

/** In order of addition. */
export async function listDevices(user: string, deps: Pick<FactorDeps, 'store'>): Promise<readonly Device[]> {
  return devicesOf((await readCredentials(deps.store, user))?.credentials ?? NO_CREDENTIALS);
}

/**
 * Begins to add a device: a secret or a challenge that {@link finishAddition} must show within 5 minutes. `name` may be empty: then one is found. Throws ConfigError for a name
 * that is taken or not good, LimitError `SECOND_FACTORS_FULL`, UnsupportedError `PASSKEYS_UNAVAILABLE`, LoginError `NO_PASSWORD_YET` for a local user who has none.
 */
export async function beginAddition(
  of: {
    readonly user: string;
    readonly kind: FactorKind;
    readonly name: string;
    /** Signs in here with a password: without one they have an invitation or reset to accept first. */
    readonly local: boolean;
    readonly clusterName: string;
  },
  deps: FactorDeps,
): Promise<{ readonly addition: string; readonly oneTimeCodeUri: string; readonly optionsJson: string }> {
  const { user, kind } = of;
  const known = (await readCredentials(deps.store, user))?.credentials;
  if (of.local && known?.passwordHash === undefined)
    throw new LoginError('NO_PASSWORD_YET', 'second factor: accept the invitation or the reset first');
  const name = nameFor(of.name, kind, known ?? NO_CREDENTIALS);
  refuseFull(known ?? NO_CREDENTIALS);
  const addition = newSecret();
  const keep = (value: Json): Promise<void> => keepOnce({ purpose: 'addition', user, secret: addition, value }, deps);
  if (kind === 'otp') {
    const secret = newOneTimeSecret();
    await keep({ kind, name, secret: await deps.secrets.seal(oneTimeSealName(user), Buffer.from(secret)) });
    return { addition, oneTimeCodeUri: oneTimeCodeUri(secret, of), optionsJson: '' };
  }
  const { relyingParty } = deps;
  if (relyingParty === undefined || !takes('webauthn', deps)) throw passkeysUnavailable();
  const { userHandle, passkeys } = await withUserHandle(user, deps);
  await keep({ kind, name });
  const options = { challenge: addition, user, userHandle, known: passkeys, relyingParty };
  return { addition, oneTimeCodeUri: '', optionsJson: await registrationOptions(options) };
}

/**
 * Adds the device. Throws LoginError: `ADDITION_UNKNOWN`, `ONE_TIME_CODE_WRONG` (the addition stays good), `PASSKEY_REFUSED`, `PASSKEY_KNOWN`; ConfigError and LimitError as
 * {@link beginAddition}, when others were added in between.
 */
export async function finishAddition(
  of: {
    readonly user: string;
    readonly addition: string;
    readonly oneTimeCode: string;
    readonly webauthnResponseJson: string;
  },
  deps: FactorDeps,
): Promise<Device> {
  const at = { purpose: 'addition', user: of.user, secret: of.addition } as const;
  const begun = additionSchema.safeParse(await peekOnce(at, deps.store)).data;
  if (begun === undefined) throw additionUnknown();
  const device = begun.kind === 'otp' ? await newCodeDevice(begun, of, deps) : undefined;
  if ((await takeOnce(at, deps.store)) === undefined) throw additionUnknown();
  if (device !== undefined) {
    await append(of.user, { oneTimeCodes: [device], passkeys: [] }, deps);
    return codeDevice(device);
  }
  const passkey = passkeyOf(begun.name, await registered(of.addition, of.webauthnResponseJson, deps), deps.now());
  await claimPasskey(deps.store, passkey.credentialId, of.user);
  try {
    await append(of.user, { oneTimeCodes: [], passkeys: [passkey] }, deps);
  } catch (error) {
    await releasePasskeys(deps.store, [passkey], of.user);
    throw error;
  }
  return passkeyDevice(passkey);
}

/** The device that {@link removeDevice} would remove. Throws as it does. */
export async function removableDevice(
  of: { readonly user: string; readonly id: string; readonly keepOne: boolean },
  deps: Pick<FactorDeps, 'store' | 'kinds'>,
): Promise<Device> {
  const credentials = (await readCredentials(deps.store, of.user))?.credentials ?? NO_CREDENTIALS;
  const device = devicesOf(credentials).find(({ id }) => id === of.id);
  if (device === undefined) throw new StorageError('NOT_FOUND', 'second factor: there is none of this id');
  const rest = devicesOf(credentials).filter(({ id, kind }) => id !== of.id && takes(kind, deps));
  if (of.keepOne && rest.length === 0)
    throw new LoginError(
      'LAST_SECOND_FACTOR',
      `second factor ${JSON.stringify(device.name)} is the last one, and the cluster demands one: add another first`,
    );
  return device;
}

/** Removes a device. Throws StorageError `NOT_FOUND`, LoginError `LAST_SECOND_FACTOR` when `keepOne` and the cluster takes no other that the person has. */
export async function removeDevice(
  of: { readonly user: string; readonly id: string; readonly keepOne: boolean },
  deps: Pick<FactorDeps, 'store' | 'kinds'>,
): Promise<Device> {
  const device = await removableDevice(of, deps);
  let gone: readonly Passkey[] = [];
  await changeCredentials(deps.store, of.user, (before) => {
    const others = devicesOf(before).filter(({ id, kind }) => id !== of.id && takes(kind, deps));
    if (of.keepOne && others.length === 0)
      throw new StorageError('STATE_CONFLICT', 'second factor: another was removed in the meantime; look again');
    gone = before.passkeys.filter(({ id }) => id === of.id);
    return {
      ...before,
      oneTimeCodes: before.oneTimeCodes.filter(({ id }) => id !== of.id),
      passkeys: before.passkeys.filter(({ id }) => id !== of.id),
    };
  });
  await releasePasskeys(deps.store, gone, of.user);
  return device;
}

/** A device for one-time codes as it is stored; `step` is that of the code that was shown for it, which is used with that. */
export function codeDeviceOf(name: string, sealed: string, step: number, nowMs: number): OneTimeCodeDevice {
  return { id: randomUUID(), name, secret: sealed, lastStep: step, addedMs: nowMs };
}

/** A passkey as it is stored. */
export function passkeyOf(name: string, made: NewPasskey, nowMs: number): Passkey {
  return { id: randomUUID(), name, ...made, addedMs: nowMs };
}

/** What is told of stored devices. */
export function devicesOf({ oneTimeCodes, passkeys }: Credentials): readonly Device[] {
  return [...oneTimeCodes.map(codeDevice), ...passkeys.map(passkeyDevice)].toSorted(
    (one, other) => (one.addedMs ?? 0) - (other.addedMs ?? 0),
  );
}

/** The name that a device gets: the wished one, or one that is free. Throws ConfigError. */
export function nameFor(wished: string, kind: FactorKind, known: Credentials): string {
  const taken = new Set(devicesOf(known).map(({ name }) => name));
  const name = wished.trim();
  if (name === '') {
    const base = kind === 'otp' ? 'otp' : 'passkey';
    for (let number = 1; ; number += 1) {
      const free = number === 1 ? base : `${base}-${number}`;
      if (!taken.has(free)) return free;
    }
  }
  if (name.length > MAX_DEVICE_NAME_LENGTH || /[\p{C}\u2028\u2029]/u.test(name))
    throw new ConfigError([
      `second factor's name: expected 1 to ${MAX_DEVICE_NAME_LENGTH} printable characters, got another text`,
    ]);
  if (taken.has(name))
    throw new ConfigError([`second factor ${JSON.stringify(name)} exists already; choose another name`]);
  return name;
}

const additionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('otp'), name: z.string(), secret: z.string() }),
  z.strictObject({ kind: z.literal('webauthn'), name: z.string() }),
]);

async function newCodeDevice(
  begun: { readonly name: string; readonly secret: string },
  of: { readonly user: string; readonly oneTimeCode: string },
  deps: FactorDeps,
): Promise<OneTimeCodeDevice> {
  const secret = (await deps.secrets.open(oneTimeSealName(of.user), begun.secret)).toString();
  const nowMs = deps.now();
  const step = matchOneTimeCode(secret, of.oneTimeCode, { nowMs, lastStep: 0 });
  if (step === undefined) throw codeWrong();
  return codeDeviceOf(begun.name, begun.secret, step, nowMs);
}

/** What is said of a first code that is not the new device's. */
export function codeWrong(): LoginError {
  return new LoginError(
    'ONE_TIME_CODE_WRONG',
    'one-time code: not the one of this moment; check the clock of the device that shows it',
  );
}

async function registered(challenge: string, answerJson: string, deps: FactorDeps): Promise<NewPasskey> {
  const { relyingParty } = deps;
  if (relyingParty === undefined || !takes('webauthn', deps)) throw passkeysUnavailable();
  const made = await checkRegistration(answerJson, { challenge, relyingParty });
  if ('fault' in made) throw passkeyRefused(made.fault);
  return made;
}

/** For a passkey that could not be registered. `fault` is of the caller's own answer. */
export function passkeyRefused(fault: string): LoginError {
  return new LoginError('PASSKEY_REFUSED', `passkey: ${fault}; try again`, {
    publicMessage: 'passkey: what the browser sent does not hold; try again',
  });
}

async function withUserHandle(
  user: string,
  { store }: FactorDeps,
): Promise<{ readonly userHandle: string; readonly passkeys: readonly Passkey[] }> {
  const fresh = newSecret();
  const change = (before: Credentials): Credentials | undefined =>
    before.userHandle === undefined ? { ...before, userHandle: fresh } : undefined;
  const after = await changeCredentials(store, user, change, NO_CREDENTIALS);
  return { userHandle: after?.userHandle ?? fresh, passkeys: after?.passkeys ?? [] };
}

async function append(
  user: string,
  more: Pick<Credentials, 'oneTimeCodes' | 'passkeys'>,
  { store }: FactorDeps,
): Promise<void> {
  await changeCredentials(
    store,
    user,
    (before) => {
      refuseFull(before);
      for (const { name, kind } of devicesOf({ ...NO_CREDENTIALS, ...more })) nameFor(name, kind, before);
      return {
        ...before,
        oneTimeCodes: [...before.oneTimeCodes, ...more.oneTimeCodes],
        passkeys: [...before.passkeys, ...more.passkeys],
      };
    },
    NO_CREDENTIALS,
  );
}

function refuseFull(known: Credentials): void {
  if (devicesOf(known).length >= MAX_SECOND_FACTORS)
    throw new LimitError(
      'SECOND_FACTORS_FULL',
      `a person has at most maxSecondFactors ${MAX_SECOND_FACTORS} second factors; remove one first`,
    );
}

function additionUnknown(): LoginError {
  return new LoginError('ADDITION_UNKNOWN', 'second factor: this addition is over or used; begin again');
}

function codeDevice({ id, name, addedMs, lastUsedMs }: OneTimeCodeDevice): Device {
  return { id, name, kind: 'otp', addedMs, lastUsedMs, passwordless: false };
}

function passkeyDevice({ id, name, addedMs, lastUsedMs, passwordless }: Passkey): Device {
  return { id, name, kind: 'webauthn', addedMs, lastUsedMs, passwordless };
}
