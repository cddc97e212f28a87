/** Calls to the web API by a script inside of a page, with the page's own cookie: what a curious person would type into the console. */
import type { Page } from 'playwright-core';

export type PageAnswer = {
  readonly status: number;
  /** Connect's code; empty when it worked or the answer is no error of a call. */
  readonly code: string;
  readonly text: string;
};

/** A unary call; `method` as in the proto file, `GetMyself`. */
export function callFromPage(page: Page, method: string, body: object = {}): Promise<PageAnswer> {
  return call(page, method, 'application/json', JSON.stringify(body));
}

/** A call whose answer is a stream; resolves at its first error or after the first message. */
export function streamFromPage(page: Page, method: string, body: object = {}): Promise<PageAnswer> {
  return call(page, method, 'application/connect+json', JSON.stringify(body));
}

async function call(page: Page, method: string, contentType: string, body: string): Promise<PageAnswer> {
  const { status, text } = await page.evaluate(send, { method, contentType, body });
  return { status, code: /"code":\s*"(\w+)"/.exec(text)?.[1] ?? '', text };
}

// Runs in the browser.
async function send(of: {
  readonly method: string;
  readonly contentType: string;
  readonly body: string;
}): Promise<{ status: number; text: string }> {
  let body: string | Uint8Array<ArrayBuffer> = of.body;
  if (of.contentType.includes('connect+')) {
    const bytes = new TextEncoder().encode(of.body);
    const framed = new Uint8Array(5 + bytes.length);
    new DataView(framed.buffer).setUint32(1, bytes.length);
    framed.set(bytes, 5);
    body = framed;
  }
  const stop = new AbortController();
  const response = await fetch(`/webapi/rpc/tessera.auth.v1.AuthService/${of.method}`, {
    method: 'POST',
    headers: { 'content-type': of.contentType, 'x-tessera-web': '1', 'connect-protocol-version': '1' },
    body,
    signal: stop.signal,
  });
  if (!of.contentType.includes('connect+')) return { status: response.status, text: await response.text() };
  const first = await response.body?.getReader().read();
  stop.abort();
  return { status: response.status, text: new TextDecoder().decode(first?.value ?? new Uint8Array()) };
}
