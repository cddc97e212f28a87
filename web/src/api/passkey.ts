import { PageError } from './page-error.ts';

/** Passkeys: the browser's part of WebAuthn (level 3). Options come from the server as JSON and answers go back as JSON; the library is loaded when somebody uses one. */

/** Whether this browser can use passkeys here: they need a secure page and a host name. */
export function canUsePasskeys(): boolean {
  return window.isSecureContext && 'PublicKeyCredential' in window;
}

/** Answers a challenge. Throws PageError when the person or the browser gave up. */
export async function answerWithPasskey(optionsJson: string): Promise<string> {
  const { startAuthentication } = await import('@simplewebauthn/browser');
  return run(async () => startAuthentication({ optionsJSON: JSON.parse(optionsJson) }));
}

/** Makes a new passkey. Throws PageError when the person or the browser gave up, or when this one is registered already. */
export async function createPasskey(optionsJson: string): Promise<string> {
  const { startRegistration } = await import('@simplewebauthn/browser');
  return run(async () => startRegistration({ optionsJSON: JSON.parse(optionsJson) }));
}

async function run(ceremony: () => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(await ceremony());
  } catch (error) {
    throw inWords(error);
  }
}

function inWords(error: unknown): PageError {
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
    case 'AbortError':
      return new PageError(
        'PASSKEY_CANCELLED',
        'No passkey was used: it was cancelled or took too long.',
        'Try again.',
      );
    case 'InvalidStateError':
      return new PageError(
        'PASSKEY_KNOWN',
        'This device is registered already.',
        'Use another device or security key.',
      );
    case 'SecurityError':
      return new PageError(
        'PASSKEY_WRONG_SITE',
        'Passkeys of this cluster do not work at this address.',
        "Open the cluster's public address, or use a one-time code.",
      );
    default:
      return new PageError(
        'PASSKEY_FAILED',
        'The browser could not use a passkey here.',
        'Try another browser or device, or use a one-time code.',
      );
  }
}
