/** The token of an invitation between its link and its page: in this page's memory alone, so that it leaves the address bar and the history at once. Lost by a reload; the link still works then. */

let held: string | undefined;

export function holdToken(token: string): void {
  held = token;
}

export function heldToken(): string | undefined {
  return held;
}
