// Every page for people who do not see it well, or use no mouse: axe-core finds nothing serious in either colour scheme, and the keyboard alone leads everywhere.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, suite, test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import type { AuthenticatorApp } from '../kit/authenticator-app.ts';
import { type Browser, noBrowser, openBrowser } from '../kit/browser.ts';
import type { InPage, PageElement } from '../kit/in-page.ts';
import { liveALittle, openShowcase, type Showcase } from '../kit/showcase.ts';
import { startTshLogin } from '../kit/tsh-login.ts';
import { allPages, type PageVisit, settled, shown, visit } from '../kit/web-pages.ts';
import { acceptInvitation, signIn, signOut } from '../kit/web-person.ts';
import { findPsql } from '../servers/postgres-binaries.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const schemes = ['light', 'dark'] as const;
const password = 'correct horse ada battery';

suite('accessibility', { skip: noBrowser }, () => {
  let showcase: Showcase;
  let browser: Browser;
  let page: Page;
  let origin: string;
  let app: AuthenticatorApp;
  let sessionId = '';
  let confirmation = '';
  const owned = new AsyncDisposableStack();

  before(async () => {
    showcase = await openShowcase(() => undefined);
    owned.defer(() => showcase.close());
    origin = `https://${showcase.address}`;
    const activity = await liveALittle(showcase);
    owned.defer(() => activity.end());
    sessionId = activity.sessionId;
    browser = await openBrowser({ trusted: [showcase.address] });
    owned.defer(() => browser.close());
    page = browser.page;
    await page.emulateMedia({ reducedMotion: 'reduce' });
    const login = startTshLogin(showcase.cluster, 'waits', ['--browser=none']);
    owned.defer(() => login.stop());
    confirmation = new URL(await login.link()).pathname.replace(/^.*\//, '');
  });
  after(() => owned.disposeAsync());

  test('the invitation', async () => {
    await page.goto(showcase.invitations.reviewer);
    await page.getByLabel('New password').fill('short');
    await noFindings(page, 'invite');
    app = await acceptInvitation(page, showcase.invitations.administrator, password);
  });

  test('the sign-in page, with a refusal, and its second step', async () => {
    await signOut(page);
    await noFindings(page, 'sign-in');
    await page.getByLabel('User name').fill('ada');
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.keyboard.press('Enter');
    await page.getByLabel('One-time code').fill('000000');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').first().waitFor();
    await noFindings(page, 'sign-in-refused');
    await page.goto(`${origin}/web/login`);
    await signIn(page, 'ada', { password, app });
  });

  test('every page of a signed-in person', async (t) => {
    const sights = { sessionId, user: 'alice', role: 'shop-reader', connector: 'oidc/company', confirmation };
    for (const one of allPages(sights)) {
      if (one.name === 'event' && sessionId === '') continue;
      await t.test(one.name, async () => {
        await visit(page, origin, one);
        await noFindings(page, one.name);
      });
    }
  });

  test('what is not there, and what went wrong', async (t) => {
    const wrong: readonly PageVisit[] = [
      { name: 'no such page', path: 'nothing-is-here' },
      { name: 'no such session', path: 'sessions/00000000-0000-4000-8000-000000000000' },
      { name: 'no such role', path: 'roles/not-there' },
      { name: 'no match', path: 'audit?text=nobodysaidthis&range=all' },
    ];
    for (const one of wrong) {
      await t.test(one.name, async () => {
        await visit(page, origin, one);
        await noFindings(page, one.name);
      });
    }
  });

  test('a small screen', async (t) => {
    await page.setViewportSize({ width: 390, height: 780 });
    for (const path of ['', 'databases', 'sessions', 'audit', 'roles', 'users']) {
      await t.test(path === '' ? 'home' : path, async () => {
        await visit(page, origin, { name: path, path });
        await noFindings(page, `small ${path}`);
        const wide = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
        assert.ok(wide <= 0, `${wide} pixels wider than the screen`);
      });
    }
    await page.setViewportSize({ width: 1280, height: 860 });
  });

  test('the keyboard alone: past the navigation, and to every place in it', async () => {
    await page.goto(`${origin}/web/`);
    await shown(page);
    const places = await page.getByRole('navigation').getByRole('link').allInnerTexts();
    assert.ok(places.length >= 10, places.join());
    await page.keyboard.press('Tab');
    await isFocused(page.getByRole('link', { name: 'Skip to the page' }));
    assert.ok(
      await page.getByRole('link', { name: 'Skip to the page' }).evaluate(isInView),
      'the skip link shows when focused',
    );
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(isFocusInMain), true, 'Tab goes on inside of the page');
    // Home is where it begins, and where it ends.
    for (const name of [...places.slice(1), ...places.slice(0, 1)]) {
      await page.evaluate('document.activeElement.blur()');
      const link = page.getByRole('navigation').getByRole('link', { name, exact: true });
      await tabTo(page, link);
      assert.ok(await link.evaluate(hasFocusRing), `${name}: no visible focus`);
      await page.keyboard.press('Enter');
      await page.locator('[aria-current=page]', { hasText: name }).waitFor();
      await shown(page);
      await page.waitForFunction(isFocusInMain);
    }
  });

  test('the keyboard alone: a drawer opens, holds the focus and gives it back', async () => {
    await visit(page, origin, { name: 'databases', path: 'databases' });
    const button = page.getByRole('button', { name: 'Connect to orders' });
    await tabTo(page, button);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await settled(page);
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press('Tab');
      assert.ok(await page.getByRole('dialog').evaluate(isFocusInside), 'the focus left the drawer');
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await isFocused(button);
    await tabTo(page, page.getByRole('link', { name: /add a database/i }).first());
    await page.keyboard.press('Enter');
    await page.waitForURL(/databases\/enrol/);
  });

  test('the keyboard alone: an event', { skip: skipPsql() }, async () => {
    await visit(page, origin, { name: 'audit', path: 'audit?range=all' });
    await tabTo(page, page.getByRole('listbox', { name: /^Events/ }));
    await page.keyboard.press('j');
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.getByRole('option', { selected: true }).count(), 1);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText('JSON', { exact: true }).first().waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await isFocused(page.getByRole('listbox', { name: /^Events/ }));
  });

  test('the keyboard alone: a role, a connector, one past session, the palette, the account, out', async () => {
    for (const [path, name, url] of [
      ['roles', /^shop-reader/, /roles\/shop-reader/],
      ['users', /alice/, /users\/alice/],
      ['connectors', /company/i, /connectors\/oidc\/company/],
      ...(sessionId === '' ? [] : [['sessions?tab=past', /\d\d:\d\d/, /sessions\/[0-9a-f-]{36}/] as const]),
    ] as const) {
      await visit(page, origin, { name: path, path });
      await tabTo(page, page.locator('#main').getByRole('link', { name }).first());
      await page.keyboard.press('Enter');
      await page.waitForURL(url);
    }
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('settings');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/settings/);
    await shown(page);
    await page.evaluate('document.activeElement.blur()');
    await tabTo(page, page.getByRole('button', { name: /account and sign out/ }));
    await page.keyboard.press('Enter');
    await tabTo(page, page.getByRole('menuitem', { name: 'Account' }), 'ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/account/);
    await tabTo(page, page.locator('#main').getByRole('button', { name: 'Sign out', exact: true }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });

  test('the keyboard alone: in again', async () => {
    await tabTo(page, page.getByLabel('User name'));
    await page.keyboard.type('ada');
    await tabTo(page, page.getByLabel('Password', { exact: true }));
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await page.getByLabel('One-time code').waitFor();
    await isFocused(page.getByLabel('One-time code'));
    await page.keyboard.type(await app.code());
    await page.keyboard.press('Enter');
    await page.getByRole('navigation').first().waitFor();
  });

  test('no page complained', () => assert.deepEqual(browser.complaints, []));
});

/** Both colour schemes, as the page stands. */
async function noFindings(page: Page, name: string): Promise<void> {
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    await settled(page);
    let findings = await findingsOf(page, colorScheme === 'dark');
    // What was still fading in is looked at once more; what is wrong stays wrong.
    if (findings.length > 0) {
      await page.waitForTimeout(1000);
      findings = await findingsOf(page, colorScheme === 'dark');
    }
    assert.deepEqual(findings, [], `${name}, ${colorScheme}`);
  }
}

/** What axe calls serious or critical, with the first places. The script comes through the debugger, which the page's content security policy does not bind. */
async function findingsOf(page: Page, onlyColors: boolean): Promise<readonly string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(`${axe};0`);
  const found = (await page.evaluate(
    `axe.run(document, { resultTypes: ['violations']${onlyColors ? COLORS : ''} })`,
  )) as {
    readonly violations: readonly {
      readonly id: string;
      readonly impact: string;
      readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
    }[];
  };
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, nodes }) =>
      [
        `${impact}: ${id}, ${nodes.length} times`,
        ...nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 300)}\n${failureSummary ?? ''}`),
      ].join('\n'),
    );
}

/** Tab after Tab from where the focus is, or another key. */
async function tabTo(page: Page, target: Locator, key = 'Tab'): Promise<void> {
  await target.waitFor();
  for (let step = 0; step < MOST_TABS; step += 1) {
    if ((await target.and(page.locator(':focus')).count()) > 0) return;
    await page.keyboard.press(key);
  }
  assert.fail(`not reached with ${MOST_TABS} Tabs: ${String(target)}`);
}

async function isFocused(target: Locator): Promise<void> {
  const deadline = performance.now() + 3000;
  for (;;) {
    if ((await target.and(target.page().locator(':focus')).count()) > 0) return;
    if (performance.now() > deadline)
      assert.fail(
        `expected the focus at ${String(target)}, it is at ${await target.page().evaluate<string>('document.activeElement.outerHTML.slice(0, 200)')}`,
      );
    await target.page().waitForTimeout(50);
  }
}

function isInView(element: PageElement): boolean {
  const { innerHeight } = globalThis as unknown as InPage;
  const box = element.getBoundingClientRect();
  return box.width > 1 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight;
}

function hasFocusRing(element: PageElement): boolean {
  const style = (globalThis as unknown as InPage).getComputedStyle(element);
  return (
    (style['outlineStyle'] !== 'none' && parseFloat(style['outlineWidth'] ?? '') > 0) || style['boxShadow'] !== 'none'
  );
}

function isFocusInside(element: PageElement): boolean {
  return element.contains((globalThis as unknown as InPage).document.activeElement);
}

function isFocusInMain(): boolean {
  const { document } = globalThis as unknown as InPage;
  return document.querySelector('#main')?.contains(document.activeElement) === true;
}

function skipPsql(): string | false {
  const psql = findPsql();
  return typeof psql === 'string' ? psql : false;
}

/** What can differ from one scheme to the other. */
const COLORS = ", runOnly: ['color-contrast', 'link-in-text-block']";
const MOST_TABS = 80;
