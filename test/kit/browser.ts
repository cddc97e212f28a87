/** Headless Chromium as a person's browser, and what a person's machine has beside it: a passkey, a clipboard, a screen. */
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { chromium, type BrowserContext, type CDPSession, type Page } from 'playwright-core';

/** Where Debian and others put it; `CHROMIUM` names another. */
const places = [process.env['CHROMIUM'] ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser'];
const chromiumPath = places.find((place) => place !== '' && existsSync(place));

/** False, or why there is no browser to drive: for the `skip` of a test. */
export const noBrowser: string | false =
  chromiumPath === undefined ? 'no Chromium here (apt-get install chromium, or CHROMIUM=/path/to/it)' : false;

export type BrowserOptions = {
  /** `host:port` of servers whose certificates this browser takes for valid although no public authority signed them. */
  readonly trusted: readonly string[];
  readonly colorScheme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
};

/** One person's browser, with a profile of its own. */
export type Browser = {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the pages complained of since the start: uncaught errors, `console.error`, refused by the content security policy. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
};

/**
 * Starts it. Certificates are trusted by the hash of their key rather than by switching verification off: with that, WebAuthn would refuse to work, and a page would
 * not be a secure context.
 */
export async function openBrowser(options: BrowserOptions): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('there is no Chromium');
  const hashes = await Promise.all(options.trusted.map(keyHash));
  const profile = mkdtempSync(join(tmpdir(), 'tessera-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--ignore-certificate-errors-spki-list=${hashes.join(',')}`,
    ],
    colorScheme: options.colorScheme ?? 'light',
    viewport: options.viewport ?? { width: 1280, height: 860 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const complaints: string[] = [];
  const listen = (page: Page): void => {
    page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
    page.on('console', (message) => {
      // A refusal that the page tells in words is a line of the browser's own too.
      if (message.type() === 'error' && !/^Failed to load resource: .* status of 4\d\d/.test(message.text()))
        complaints.push(`console: ${message.text()}`);
    });
  };
  context.on('page', listen);
  const page = context.pages()[0] ?? (await context.newPage());
  listen(page);
  return {
    context,
    page,
    complaints,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** A passkey on the person's machine that verifies its person at once; remove it with the session's `detach`. */
export async function addPasskey(page: Page): Promise<CDPSession> {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable');
  await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return session;
}

/** Base64 SHA-256 of the SubjectPublicKeyInfo that the server shows. */
function keyHash(address: string): Promise<string> {
  const { hostname: host, port } = new URL(`https://${address}`);
  return new Promise((done, failed) => {
    const socket = connect({ host, port: Number(port), servername: host, rejectUnauthorized: false }, () => {
      const certificate = socket.getPeerX509Certificate() ?? new X509Certificate('');
      socket.destroy();
      const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
      done(createHash('sha256').update(key).digest('base64'));
    });
    socket.once('error', failed);
  });
}
