// What a first visit costs: script as it comes over the wire, the time until something is there to read, and nothing that jumps meanwhile.
import assert from 'node:assert/strict';
import { availableParallelism, loadavg } from 'node:os';
import { after, before, suite, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type Browser, noBrowser, openBrowser } from '../kit/browser.ts';
import { liveALittle, openShowcase, type Showcase } from '../kit/showcase.ts';
import { settled, shown } from '../kit/web-pages.ts';
import { acceptInvitation } from '../kit/web-person.ts';

/** Of script, compressed as transferred, for a first view. */
const MOST_SCRIPT_BYTES = 250_000;
const MOST_SCRIPT_BYTES_LATER = 320_000;
/** From the click to the first content, and to the page's own heading. */
const FIRST_CONTENT_MS = 1000;
/** https://web.dev/articles/cls: good. */
const MOST_SHIFT = 0.1;
/** The best counts; more than three only where others keep the machine busy meanwhile. */
const TRIES = 3;
const MOST_TRIES = 6;
/** Runnable tasks a core: browser and cluster of this test alone make about one. */
const BUSY_LOAD = 2;

type Cost = { readonly scriptBytes: number; readonly firstContentMs: number; readonly headingMs: number; readonly shift: number }; // prettier-ignore

suite('what a first view costs', { skip: noBrowser }, () => {
  let showcase: Showcase;
  let browser: Browser;
  let page: Page;
  let origin: string;
  const owned = new AsyncDisposableStack();

  before(async () => {
    showcase = await openShowcase(() => undefined);
    owned.defer(() => showcase.close());
    origin = `https://${showcase.address}`;
    const activity = await liveALittle(showcase);
    owned.defer(() => activity.end());
    browser = await openBrowser({ trusted: [showcase.address] });
    owned.defer(() => browser.close());
    page = browser.page;
    await page.addInitScript(observe);
    // What was not asked for yet is compressed when it first is.
    await page.goto(`${origin}/web/login`);
    await shown(page);
  });
  after(() => owned.disposeAsync());

  // The last two load what colours statements when they are read; that comes after the first view.
  for (const [name, path, most] of [
    ['sign-in', 'login', MOST_SCRIPT_BYTES],
    ['home', '', MOST_SCRIPT_BYTES],
    ['databases', 'databases', MOST_SCRIPT_BYTES],
    ['audit', 'audit', MOST_SCRIPT_BYTES_LATER],
    ['sessions', 'sessions', MOST_SCRIPT_BYTES_LATER],
  ] as const) {
    test(name, async (t) => {
      if (path !== 'login' && (await page.getByRole('navigation').count()) === 0)
        await acceptInvitation(page, showcase.invitations.administrator, 'correct horse ada battery');
      // What nobody asked for before is compressed now; a cold browser meets a proxy that has been up for a while.
      await page.goto(`${origin}/web/${path}`);
      await settled(page);
      const all: Cost[] = [];
      const best = (read: (cost: Cost) => number): number => Math.min(...all.map(read));
      const mostMs = most === MOST_SCRIPT_BYTES ? FIRST_CONTENT_MS : 2 * FIRST_CONTENT_MS;
      const isSlow = (): boolean => best((cost) => Math.max(cost.firstContentMs, cost.headingMs)) >= mostMs;
      while (all.length < TRIES || (all.length < MOST_TRIES && isSlow())) all.push(await costOf(page, `${origin}/web/${path}`)); // prettier-ignore
      for (const { scriptBytes, firstContentMs, headingMs, shift } of all)
        process.stderr.write(`  ${name.padEnd(10)} ${scriptBytes} bytes of script, first content ${firstContentMs.toFixed(0)} ms, heading ${headingMs.toFixed(0)} ms, shift ${shift.toFixed(3)}\n`); // prettier-ignore
      assert.ok(best((cost) => cost.scriptBytes) > 10_000, 'the measurement measures');
      assert.ok(Math.max(...all.map((cost) => cost.scriptBytes)) < most, 'script');
      assert.ok(best((cost) => cost.shift) < MOST_SHIFT, 'layout shift');
      // Times of a machine that does something else meanwhile say nothing of these pages.
      const [load = 0] = loadavg();
      if (isSlow() && load > BUSY_LOAD * availableParallelism())
        return t.skip(`${name}: the times are not judged, the machine is busy: load ${load.toFixed(1)}`);
      assert.equal(isSlow(), false, `first content and heading in less than ${mostMs} ms, load ${load.toFixed(1)}`);
    });
  }

  test('nothing is loaded from elsewhere', async () => {
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin && !/^(data|blob):/.test(request.url())) elsewhere.push(request.url()); // prettier-ignore
    });
    for (const path of ['', 'databases', 'audit', 'roles/shop-reader', 'login']) {
      await page.goto(`${origin}/web/${path}`);
      await shown(page);
      await settled(page);
    }
    assert.deepEqual(elsewhere, []);
  });

  test('a second view asks for no script again', async () => {
    await page.goto(`${origin}/web/`);
    await settled(page);
    const scripts = await scriptsOf(page, async () => {
      await page.goto(`${origin}/web/`);
      await shown(page);
      await settled(page);
    });
    assert.ok(scripts < 5000, `${scripts} bytes`);
  });

  test('no page complained', () => assert.deepEqual(browser.complaints, []));
});

/** One visit with an empty cache. */
async function costOf(page: Page, address: string): Promise<Cost> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.clearBrowserCache');
  await page.goto('about:blank');
  let headingMs = 0;
  const scriptBytes = await scriptsOf(page, async () => {
    await page.goto(address, { waitUntil: 'commit' });
    await shown(page);
    headingMs = await page.evaluate(() => performance.now());
    await page.waitForLoadState('load');
    await settled(page);
    // Figures that come in later must not push what is there.
    await page.waitForTimeout(300);
  });
  const { firstContentMs, shift } = await page.evaluate(observed);
  await session.detach();
  return { scriptBytes, firstContentMs, headingMs, shift };
}

/** Bytes of script over the wire while `work` goes on, headers and all, as the browser counts them. */
async function scriptsOf(page: Page, work: () => Promise<void>): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const scripts = new Set<string>();
  let bytes = 0;
  session.on('Network.responseReceived', ({ requestId, type, response }) => {
    if ((type === 'Script' || /javascript/.test(response.mimeType)) && !response.fromDiskCache) scripts.add(requestId);
  });
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) bytes += encodedDataLength;
  });
  await work();
  await session.detach();
  return bytes;
}

type Seen = { shift: number };

// Both run in the browser.
function observe(): void {
  const seen: Seen = { shift: 0 };
  Object.assign(globalThis, { seenByTest: seen });
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as unknown as { readonly value: number; readonly hadRecentInput: boolean }[])
      if (!entry.hadRecentInput) seen.shift += entry.value;
  });
  observer.observe({ type: 'layout-shift' as 'mark', buffered: true });
}

function observed(): { readonly firstContentMs: number; readonly shift: number } {
  const { seenByTest } = globalThis as unknown as { readonly seenByTest: Seen };
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  return { firstContentMs: paint?.startTime ?? Number.POSITIVE_INFINITY, shift: seenByTest.shift };
}
