/** Where a browser opens: here, or nowhere (the link is printed). */
export const BROWSER_MODES = ['auto', 'none'] as const;
export type BrowserMode = (typeof BROWSER_MODES)[number];
