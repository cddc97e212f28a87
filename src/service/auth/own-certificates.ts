import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { issueCertificate } from '../../pki/issue.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { hostProfile } from '../../pki/profiles.ts';
import type { HostIdentity } from '../../resource/identity.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { writeSecretFile } from '../identity-file.ts';
import type { Authorities } from './authorities.ts';
import type { TlsCredentials } from './listener.ts';

/** What Auth signs for itself while it runs: its own listener's certificate (in memory) and the local administrator's (in files that only this account can read). */

const LISTENER_TTL_MS = 7 * 24 * 3_600_000;
const ADMIN_TTL_MS = 24 * 3_600_000;
const RETRY_MS = 60_000;

export type OwnCertificatesDeps = {
  readonly authorities: Authorities;
  readonly hostId: string;
  readonly hostName: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
};

/** A fresh key and certificate for the listener; the chain ends with the authority, which who comes with a pin needs to see. */
export async function makeListenerCredentials(deps: OwnCertificatesDeps): Promise<TlsCredentials> {
  const { certificate, privateKey } = await sign(
    { kind: 'host', hostId: deps.hostId, hostName: deps.hostName, role: 'auth' },
    LISTENER_TTL_MS,
    deps,
  );
  return { certificateChain: `${certificate}${deps.authorities.signing('host').certificatePem}`, privateKey };
}

/**
 * Writes `<data_dir>/auth/admin/{admin.key,admin.crt,cas.pem,address}`, mode 0600: whoever can read them is the administrator for 24 hours. `address`: `host:port` of the listener.
 */
export async function writeAdminFiles(address: string, deps: OwnCertificatesDeps): Promise<void> {
  const folder = join(deps.dataDir, 'auth', 'admin');
  const { certificate, privateKey } = await sign(
    { kind: 'host', hostId: randomUUID(), hostName: deps.hostName, role: 'admin' },
    ADMIN_TTL_MS,
    deps,
  );
  // The key first: a command that reads in between finds a pair that does not match and is told so by TLS.
  await writeSecretFile(join(folder, 'admin.key'), privateKey);
  await writeSecretFile(join(folder, 'admin.crt'), certificate);
  await writeSecretFile(join(folder, 'cas.pem'), deps.authorities.certificates('host').join(''));
  await writeSecretFile(join(folder, 'address'), `${address}\n`);
}

/** Does both again at two thirds of each one's life. The caller closes it. */
export class OwnRenewal {
  readonly #deps: OwnCertificatesDeps;
  readonly #timers = new Map<string, Timer>();

  constructor(
    deps: OwnCertificatesDeps,
    of: { readonly address: string; readonly renewed: (credentials: TlsCredentials) => void },
  ) {
    this.#deps = deps;
    this.#repeat('listener', LISTENER_TTL_MS, async () => of.renewed(await makeListenerCredentials(deps)));
    this.#repeat('admin', ADMIN_TTL_MS, () => writeAdminFiles(of.address, deps));
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #repeat(name: string, ttlMs: number, work: () => Promise<void>): void {
    const later = (delayMs: number): void => {
      const timer = this.#deps.clock.after(delayMs, () => void run(), { background: true });
      this.#timers.set(name, timer);
    };
    const run = async (): Promise<void> => {
      try {
        await work();
        if (this.#timers.has(name)) later((ttlMs * 2) / 3);
      } catch (error) {
        this.#deps.log.error(
          { err: error, certificate: name },
          'auth: could not renew an own certificate; trying again',
        );
        if (this.#timers.has(name)) later(RETRY_MS);
      }
    };
    later((ttlMs * 2) / 3);
  }
}

/** The address under which a command on this machine reaches a listener on `host:port`. */
export function localAddress(listening: string): string {
  return listening.replace(/^0\.0\.0\.0:/u, '127.0.0.1:').replace(/^\[::\]:/u, '[::1]:');
}

async function sign(
  identity: HostIdentity,
  ttlMs: number,
  deps: OwnCertificatesDeps,
): Promise<{ certificate: string; privateKey: string }> {
  const keys = generateKeyPair();
  const issued = await issueCertificate(deps.authorities.signing('host'), hostProfile(identity), {
    publicKeyDer: keys.publicKeyDer,
    ttlMs,
    nowMs: deps.clock.now(),
  });
  return { certificate: issued.pem, privateKey: keys.privateKeyPem };
}
