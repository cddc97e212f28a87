import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import { tell, visible } from '../io.ts';

/**
 * Shows an `otpauth://` URI as QR code, secret and text. On stderr: it is for eyes and a camera, and must not end up in a file of results. Throws `INVITE_BROKEN` for what is
 * none.
 */
export async function showOneTimeSecret(io: Io, uri: string): Promise<void> {
  const secret = new URL(uri).searchParams.get('secret');
  if (visible(uri) !== uri || secret === null || !/^[A-Z2-7]+=*$/i.test(secret))
    throw failure('INVITE_BROKEN', 'the Auth Service sent no one-time code secret', 'report this to the administrator');
  const { renderUnicodeCompact } = await import('uqr');
  tell(io, '\nScan this with an authenticator app (or type the secret):\n');
  const code = renderUnicodeCompact(uri, { ecc: 'L', border: 2 });
  tell(io, coloured(io) ? onBlack(code) : code);
  tell(io, `\n  Secret: ${(secret.match(/.{1,4}/g) ?? []).join(' ')}\n  ${uri}\n`);
}

function coloured(io: Io): boolean {
  return io.stderr.isTTY === true && (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb';
}

/** The light modules are drawn, so the dark ones must be dark on a light terminal too: bright white on black. */
function onBlack(code: string): string {
  return code
    .split('\n')
    .map((line) => `\u001b[97;40m${line}\u001b[0m`)
    .join('\n');
}
