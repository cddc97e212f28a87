/** As much of a browser as a provider's sign-in form needs: cookies, redirects, forms. Nothing is executed. */

export type Form = { readonly action: string; readonly fields: ReadonlyMap<string, string> };

export class FormBrowser {
  readonly #cookies = new Map<string, string>();

  /** Follows redirects on one host; gives the page it ends at. */
  async open(
    url: string,
    form?: Iterable<readonly [string, string]>,
  ): Promise<{ readonly url: string; readonly html: string }> {
    let at = url;
    let body = form === undefined ? undefined : new URLSearchParams([...form].map(([name, value]) => [name, value]));
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      const response = await fetch(at, {
        redirect: 'manual',
        headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
        ...(body === undefined ? {} : { method: 'POST', body }),
      });
      for (const cookie of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
        this.#cookies.set(name, value);
      }
      const location = response.headers.get('location');
      const html = await response.text();
      if (location === null) return { url: at, html };
      at = new URL(location, at).href;
      body = undefined;
    }
    throw new Error(`more than ${MAX_HOPS} redirects, the last to ${at}`);
  }
}

/** The page's first form that has this field. */
export function formWith(field: string, page: { readonly url: string; readonly html: string }): Form {
  for (const [form] of page.html.matchAll(/<form\b[\s\S]*?<\/form>/gi)) {
    const fields = new Map<string, string>();
    for (const [input] of form.matchAll(/<input\b[^>]*>/gi)) {
      const name = attributeOf(input, 'name');
      if (name !== undefined) fields.set(name, attributeOf(input, 'value') ?? '');
    }
    if (fields.has(field))
      return {
        action: new URL(attributeOf(/^<form[^>]*>/i.exec(form)?.[0] ?? '', 'action') ?? '', page.url).href,
        fields,
      };
  }
  throw new Error(
    `no form with a field ${field} at ${page.url}: ${page.html.replaceAll(/<[^>]*>|\s+/g, ' ').slice(0, 500)}`,
  );
}

function attributeOf(tag: string, name: string): string | undefined {
  const match = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`, 'i').exec(tag);
  const text = match?.[1] ?? match?.[2];
  return text
    ?.replaceAll(/&#(?:x([\da-f]+)|(\d+));/gi, (_, hex: string | undefined, decimal: string | undefined) =>
      String.fromCodePoint(Number.parseInt(hex ?? decimal ?? '', hex === undefined ? 10 : 16)),
    )
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

const MAX_HOPS = 20;
