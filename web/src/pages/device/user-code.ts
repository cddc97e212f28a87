/** The code that tsh shows for a machine without a browser: eight letters in two groups, as RFC 8628 section 6.1 advises. */

const LETTERS = 8;

/** What was typed as the code is written, "WDJB-MJHT", as far as it goes: small letters, spaces and a missing hyphen are no fault. */
export function printUserCode(typed: string): string {
  const letters = typed
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '')
    .slice(0, LETTERS);
  return letters.length <= LETTERS / 2 ? letters : `${letters.slice(0, LETTERS / 2)}-${letters.slice(LETTERS / 2)}`;
}

/** Whether all of it is there. */
export function isWhole(code: string): boolean {
  return code.length === LETTERS + 1;
}
