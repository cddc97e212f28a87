import type { Credentials, OneTimeCodeDevice, SecretBox } from './credentials.ts';
import { oneTimeSealName } from './credentials.ts';
import { matchOneTimeCode } from './one-time-code.ts';

/** A person's devices for one-time codes. Secrets are opened before a compare-and-swap, and used within it. */

export type OpenedCodes = ReadonlyMap<string, string>;

/** The secrets of all devices, by their sealed text. */
export async function openCodes(user: string, credentials: Credentials, secrets: SecretBox): Promise<OpenedCodes> {
  const opened = new Map<string, string>();
  for (const { secret } of credentials.oneTimeCodes)
    opened.set(secret, (await secrets.open(oneTimeSealName(user), secret)).toString());
  return opened;
}

/** Uses a code up on the device that shows it. Undefined: no device shows it, or it was used. */
export function spendCode(
  current: Credentials,
  opened: OpenedCodes,
  code: string,
  nowMs: number,
): { readonly after: Credentials; readonly device: OneTimeCodeDevice } | undefined {
  for (const device of current.oneTimeCodes) {
    // A device that was added since: its secret was not opened, so it is not asked.
    const secret = opened.get(device.secret);
    const step =
      secret === undefined ? undefined : matchOneTimeCode(secret, code, { nowMs, lastStep: device.lastStep });
    if (step === undefined) continue;
    const used = { ...device, lastStep: step, lastUsedMs: nowMs };
    const oneTimeCodes = current.oneTimeCodes.map((each) => (each === device ? used : each));
    return { after: { ...current, oneTimeCodes }, device };
  }
  return undefined;
}
