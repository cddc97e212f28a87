import { createPrivateKey } from 'node:crypto';
import { hostname } from 'node:os';
import { generateKeyPair } from '../../pki/keys.ts';
import type { Clock } from '../../telemetry/clock.ts';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import { withProgress } from '../progress.ts';
import { openCallback } from './browser-callback.ts';
import { hasBrowser } from './browser-open.ts';
import { awaitBrowser, sealedText } from './browser-wait.ts';
import { connectSession, type Session } from './session.ts';

/**
 * Has the person show a second factor in the browser: what `MfaProof.token` takes, good once within 5 minutes. `description` completes "confirm to ...", and is shown there. Throws `BROWSER_DENIED`,
 * `BROWSER_TIMEOUT`, `BROWSER_ANSWER`.
 */
export async function confirmInBrowser(
  io: Io,
  session: Session,
  of: { readonly description: string; readonly clock?: Clock },
): Promise<string> {
  const seal = generateKeyPair();
  let requestId = '';
  using callback = await openCallback((query) =>
    tokenIn(sealedText(query, createPrivateKey(seal.privateKeyPem), requestId)),
  );
  const connection = await connectSession(io, session);
  try {
    const started = await withProgress(
      io,
      'beginning',
      connection.client.startMfaConfirmation({
        callbackUrl: callback.url,
        sealKey: new Uint8Array(seal.publicKeyDer),
        hostName: hostname(),
        description: of.description,
      }),
    );
    ({ requestId } = started);
    const deed = `show your second factor to ${of.description}`;
    const { clock } = of;
    return await awaitBrowser(io, callback, { url: started.url, open: hasBrowser(io), deed, ...(clock && { clock }) });
  } finally {
    connection.close();
  }
}

function tokenIn(text: string): string {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && 'mfa_token' in value && typeof value.mfa_token === 'string')
    return value.mfa_token;
  throw failure('BROWSER_ANSWER', 'the Auth Service sent no confirmation', 'begin again');
}
