/** What a person does at the web UI, by what they see: labels and names of buttons. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { authenticatorApp, type AuthenticatorApp } from './authenticator-app.ts';

/** Opens the link, chooses a password and an authenticator app, and is signed in. */
export async function acceptInvitation(page: Page, link: string, password: string): Promise<AuthenticatorApp> {
  await page.goto(link);
  await page.getByLabel('New password').fill(password);
  await page.getByLabel('Once more').fill(password);
  const secret = (await page.getByLabel('Secret for the authenticator app').first().innerText()).trim();
  const app = authenticatorApp(`otpauth://totp/test?secret=${secret}`);
  await page.getByLabel('Code from the app').fill(await app.code());
  await page.getByRole('button', { name: /and sign in$/ }).click();
  await signedIn(page);
  return app;
}

/** Name, password and one-time code at the sign-in page that is shown now. */
export async function signIn(
  page: Page,
  user: string,
  { password, app }: { readonly password: string; readonly app: AuthenticatorApp },
): Promise<void> {
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByLabel('One-time code').fill(await app.code());
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await signedIn(page);
}

export async function signOut(page: Page): Promise<void> {
  await page.goto(new URL('/web/account', page.url()).href);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
}

/** Waits until the frame of a signed-in person is there. */
export async function signedIn(page: Page): Promise<void> {
  const frame = page.getByRole('navigation').first();
  const refusal = page.getByRole('alert').first();
  await frame.or(refusal).first().waitFor();
  if (!(await frame.isVisible())) assert.fail(`not signed in: ${page.url()} says ${await refusal.innerText()}`);
}
