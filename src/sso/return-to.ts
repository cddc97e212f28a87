/** Where a browser may be sent after a sign-in, and nowhere else. */

/** maxReturnToLength */
const MAX_RETURN_TO = 1024;
/** Where a browser goes when nothing (good) was said. */
export const HOME_PAGE = '/web/';

/**
 * A page of the web UI as it was asked for, or `/web/`. Strict, as browsers, proxies and servers read odd paths differently: only what has one reading passes. No fragment, no empty, `.` or `..` segments, no
 * encoded slash, backslash, dot, percent or control character, nothing twice encoded; the sign-in page is not a place to return to.
 */
export function returnPath(asked: string): string {
  const match = asked.length > MAX_RETURN_TO ? null : PAGE.exec(asked);
  if (match === null) return HOME_PAGE;
  const [, path = '', query = ''] = match;
  const isPlain = path.split('/').every((segment, index, all) => isSegment(segment, index === all.length - 1));
  if (!isPlain || /^login(?:$|\/)/.test(path) || !isEncoded(path, NOT_IN_PATH) || !isEncoded(query, CONTROL))
    return HOME_PAGE;
  const url = new URL(asked, BASE);
  // What a browser makes of it is what was checked.
  return url.origin === BASE && `${url.pathname}${url.search}` === asked ? asked : HOME_PAGE;
}

// Only the last may be empty: `/web/` and `/web/databases/`.
function isSegment(segment: string, last: boolean): boolean {
  return segment === '' ? last : segment !== '.' && segment !== '..';
}

/** Every percent sign begins an encoded byte, all of them are UTF-8, and what they stand for holds nothing of `forbidden`. */
function isEncoded(text: string, forbidden: RegExp): boolean {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return false;
  try {
    return (text.match(/(?:%[0-9A-Fa-f]{2})+/g) ?? []).every((run) => !forbidden.test(decodeURIComponent(run)));
  } catch {
    return false;
  }
}

const PAGE = /^\/web\/([A-Za-z0-9_~.@:=+%/-]*)(?:\?([A-Za-z0-9_~.@:=+%&,;!*()/-]*))?$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const NOT_IN_PATH = /[/\\.%\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const BASE = 'https://tessera.invalid';
