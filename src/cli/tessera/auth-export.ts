import { X509Certificate } from 'node:crypto';
import type { Outcome } from '../command.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';

/** Prints an authority's certificates (PEM), or their fingerprints. */
export async function exportAuthority(
  io: Io,
  globals: Globals,
  options: { readonly type: string; readonly fingerprint?: boolean | undefined },
): Promise<Outcome> {
  const reply = await withAuth(io, globals, (connection) => connection.client.exportAuthority({ type: options.type }));
  for (const pem of reply.certificates) {
    say(
      io,
      options.fingerprint === true ? `SHA256 Fingerprint=${new X509Certificate(pem).fingerprint256}` : pem.trim(),
    );
  }
}
