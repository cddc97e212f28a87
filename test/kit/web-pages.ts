/** Every page of the web UI below the frame of a signed-in person: for tests and pictures that look at all of them. */
import type { Page } from 'playwright-core';
import type { InPage } from './in-page.ts';

export type PageVisit = {
  readonly name: string;
  /** Below /web/. */
  readonly path: string;
  /** What is done there before it is looked at, e.g. a drawer opened. */
  readonly prepare?: (page: Page) => Promise<void>;
};

/** What exists in the cluster that is looked at; a page whose thing does not exist is left out. */
export type Sights = {
  /** A past session with statements. */
  readonly sessionId?: string;
  readonly user?: string;
  readonly role?: string;
  /** `<kind>/<name>`. */
  readonly connector?: string;
  /** Of a sign-in of tsh that waits for an answer. */
  readonly confirmation?: string;
};

/** In the order in which a person would go through them. Needs at least one database and one statement in the log. */
export function allPages(sights: Sights): readonly PageVisit[] {
  const one = (name: string, thing: string | undefined, path: string): readonly PageVisit[] =>
    thing === undefined || thing === '' ? [] : [{ name, path: `${path}${thing}` }];
  return [
    { name: 'home', path: '' },
    { name: 'databases', path: 'databases' },
    { name: 'connect', path: 'databases', prepare: openConnect },
    { name: 'enrol', path: 'databases/enrol' },
    { name: 'sessions', path: 'sessions' },
    { name: 'sessions-past', path: 'sessions?tab=past' },
    ...one('session', sights.sessionId, 'sessions/'),
    { name: 'audit', path: 'audit' },
    { name: 'event', path: 'audit?events=db.session.query&range=all', prepare: openEvent },
    { name: 'users', path: 'users' },
    ...one('user', sights.user, 'users/'),
    { name: 'roles', path: 'roles' },
    ...one('role', sights.role, 'roles/'),
    { name: 'locks', path: 'locks' },
    { name: 'tokens', path: 'tokens' },
    { name: 'connectors', path: 'connectors' },
    ...one('connector', sights.connector, 'connectors/'),
    { name: 'settings', path: 'settings' },
    { name: 'account', path: 'account' },
    { name: 'device', path: 'device' },
    ...one('confirm', sights.confirmation, 'confirm/'),
  ];
}

/** Goes there with a full load and waits until there is nothing more to come. `origin`: `https://host:port`. */
export async function visit(page: Page, origin: string, one: PageVisit): Promise<void> {
  await page.goto(`${origin}/web/${one.path}`);
  await shown(page);
  await one.prepare?.(page);
  await settled(page);
}

/** The page's own heading is there. */
export async function shown(page: Page): Promise<void> {
  await page.getByRole('heading', { level: 1 }).first().waitFor();
}

/** No placeholder and no spinner is left, what moved has come to rest, and the last frame is drawn. Gives up after some seconds, as a live page may always have something to come. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(atRest, undefined, { timeout: SETTLE_MS }).catch(() => undefined);
  await page.evaluate(nextFrame);
}

async function openConnect(page: Page): Promise<void> {
  await page
    .getByRole('button', { name: /^connect/i })
    .first()
    .click();
  await page.getByRole('dialog').waitFor();
}

async function openEvent(page: Page): Promise<void> {
  await page.getByRole('option').first().click();
  await page.getByRole('dialog').waitFor();
}

function atRest(): boolean {
  const { document } = globalThis as unknown as InPage;
  return (
    document.querySelector('#main .mantine-Skeleton-root[data-animate], .mantine-Loader-root') === null &&
    document.getAnimations().every((each) => each.playState !== 'running')
  );
}

function nextFrame(): Promise<void> {
  const { requestAnimationFrame } = globalThis as unknown as InPage;
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));
}

const SETTLE_MS = 4000;
