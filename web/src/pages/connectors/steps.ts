/** Steps of a try-out for people. */

const TITLES: ReadonlyMap<string, string> = new Map([
  ['request', 'The answer belongs to this test'],
  ['discovery', 'The provider’s description'],
  ['metadata', 'The provider’s metadata'],
  ['answer', 'The provider’s answer'],
  ['token', 'The tokens'],
  ['claims', 'What the provider says of the person'],
  ['userinfo', 'What the provider adds'],
  ['attributes', 'What the provider says of the person'],
  ['username', 'The user name'],
  ['mapping', 'A rule'],
  ['roles', 'The roles'],
  ['record', 'The user as it would be kept'],
  ['result', 'The result'],
]);

/** A step's title; a name that is not known here is shown as it is. */
export function stepTitle(name: string): string {
  return TITLES.get(name) ?? `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** What came of a step. A rule that does not match has `missed`, which is nobody's fault; what went wrong in a sign-in that succeeds all the same is a `note`. */
export function stepOutcome(
  step: { readonly name: string; readonly ok: boolean },
  succeeded: boolean,
): 'in order' | 'missed' | 'note' | 'failed' {
  if (step.ok) return 'in order';
  if (step.name === 'mapping') return 'missed';
  return succeeded ? 'note' : 'failed';
}

/** Whether a detail is a JSON object or list, to be shown as such. */
export function isJsonObject(detail: string): boolean {
  if (!/^[[{]/.test(detail)) return false;
  try {
    return typeof JSON.parse(detail) === 'object';
  } catch {
    return false;
  }
}
