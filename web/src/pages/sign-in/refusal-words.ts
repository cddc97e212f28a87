/** Why a provider's answer was not taken, for the person who comes back with `?error=<code>`. What exactly was wrong stands in the audit log only. */

type Words = { readonly title: string; readonly text: string };

const KNOWN: { readonly [code: string]: Words } = {
  SSO_NO_ROLES: {
    title: 'You are known there, but have no access here',
    text: 'Your groups at the provider give you no role in this cluster. Ask an administrator which group you need.',
  },
  SSO_EXPIRED: { title: 'That took too long', text: 'The sign-in was open for more than ten minutes. Begin again.' },
  USER_LOCKED: {
    title: 'Your account is locked',
    text: 'An administrator has locked it. Ask them why, and when it ends.',
  },
  LIMIT_REACHED: { title: 'Too many attempts', text: 'Wait a few minutes, then begin again.' },
};

/** Words for a code; a code that is not known (anybody can write one into the address) is shown only when it has a code's form. */
export function refusalWords(code: string): Words {
  const known = Object.hasOwn(KNOWN, code) ? KNOWN[code] : undefined;
  if (known !== undefined) return known;
  const mention = /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? ` Code: ${code}.` : '';
  return {
    title: 'The provider’s answer was not accepted',
    text: `Begin again. If it stays, tell an administrator the time; the audit log has the details.${mention}`,
  };
}
