/**
 * `npm run screenshots`: every page of the web UI, light and dark, into docs/guide/images/. Starts a whole cluster with a PostgreSQL on loopback, lives a little in it, and looks at the pages in headless
 * Chromium. Takes about two minutes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Browser, noBrowser, openBrowser } from '../test/kit/browser.ts';
import { liveALittle, openShowcase, type Showcase } from '../test/kit/showcase.ts';
import { acceptInvitation, signIn, signOut } from '../test/kit/web-person.ts';
import { buildWeb } from './build.ts';

const folder = resolve(import.meta.dirname, '../docs/guide/images');
const schemes = ['light', 'dark'] as const;
/** For lazy parts (highlighting, charts) to be drawn. */
const SETTLE_MS = 700;
/** Name of the picture, path below /web/, and what to do there before the picture is taken. */
type Shot = { readonly name: string; readonly path: string; readonly prepare?: (browser: Browser) => Promise<void> };

if (noBrowser !== false) {
  process.stderr.write(`no screenshots: ${noBrowser}\n`);
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
await buildWeb();
const showcase = await openShowcase((text) => process.stderr.write(`  ${text}\n`));
try {
  const activity = await liveALittle(showcase);
  try {
    await lookAround(showcase, activity.sessionId);
  } finally {
    await activity.end();
  }
} finally {
  await showcase.close();
}
process.stdout.write(`pictures are in ${folder}\n`);

async function lookAround(at: Showcase, sessionId: string): Promise<void> {
  const browser = await openBrowser({ trusted: [at.address] });
  try {
    const { page } = browser;
    await page.goto(at.invitations.reviewer);
    await page.getByLabel('New password').fill('correct horse');
    await shoot(browser, 'invitation');
    const password = 'correct horse ada battery';
    const app = await acceptInvitation(page, at.invitations.administrator, password);
    await signOut(page);
    await shoot(browser, 'sign-in');
    await signIn(page, 'ada', { password, app });
    for (const shot of shots(sessionId)) {
      process.stderr.write(`  ${shot.name}\n`);
      await page.goto(`https://${at.address}/web/${shot.path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await shot.prepare?.(browser);
      await shoot(browser, shot.name);
    }
  } finally {
    await browser.close();
  }
}

function shots(sessionId: string): readonly Shot[] {
  return [
    { name: 'home', path: '' },
    { name: 'databases', path: 'databases' },
    {
      name: 'connect',
      path: 'databases',
      prepare: async ({ page }) => {
        await page
          .getByRole('button', { name: /connect/i })
          .first()
          .click();
        await page.getByRole('dialog').waitFor();
      },
    },
    { name: 'enrol', path: 'databases/enrol' },
    { name: 'sessions', path: 'sessions' },
    { name: 'session', path: `sessions/${sessionId}` },
    { name: 'audit', path: 'audit' },
    {
      name: 'event',
      path: 'audit?event=db.session.query',
      prepare: async ({ page }) => {
        await page
          .getByText(/select/i)
          .first()
          .click();
        await page.getByRole('dialog').waitFor();
      },
    },
    { name: 'users', path: 'users' },
    { name: 'roles', path: 'roles' },
    { name: 'role', path: 'roles/shop-reader' },
    { name: 'locks', path: 'locks' },
    { name: 'tokens', path: 'tokens' },
    { name: 'connectors', path: 'connectors' },
    { name: 'connector', path: 'connectors/oidc/company' },
    { name: 'settings', path: 'settings' },
    { name: 'account', path: 'account' },
    { name: 'device', path: 'device' },
  ];
}

async function shoot({ page }: Browser, name: string): Promise<void> {
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.waitForLoadState('networkidle', { timeout: 5000 }).catch(() => undefined);
    await page.waitForTimeout(SETTLE_MS);
    writeFileSync(join(folder, `${name}-${colorScheme}.png`), await page.screenshot());
  }
}
