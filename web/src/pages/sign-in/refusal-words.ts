/** Why a provider's answer was not taken, for the person who comes back with `?error=<code>`. What exactly was wrong stands in the audit log only. */

type Words = { readonly title: string; readonly text: string };

const KNOWN: { readonly [code: string]: Words } = {
  SSO_NO_ROLES: {
    title: 'You are known there, but have no access here',
    text: 'Your groups at the provider give you no role in this cluster. Ask an administrator which group you need.',
  },
  SSO_EXPIRED: {
    title: 'That took too long',
    text: 'The sign-in was open for too long, or was used already. Begin again.',
  },
  SSO_OTHER_BROWSER: {
    title: 'That was begun in another browser',
    text: 'A sign-in must end in the browser that began it. Begin again here.',
  },
  SSO_NAME_TAKEN: {
    title: 'Your user name belongs to somebody else here',
    text: 'Another person of this cluster has the same name. Ask an administrator.',
  },
  SSO_EMAIL_UNVERIFIED: {
    title: 'Your address is not confirmed there',
    text: 'The provider does not say that your e-mail address is yours. Confirm it there, then begin again.',
  },
  SSO_GROUPS_OVERAGE: {
    title: 'The provider left out your groups',
    text: 'You are in too many of them. An administrator has to change what the provider sends.',
  },
  SSO_BUSY: { title: 'Too many people sign in just now', text: 'Wait a minute, then begin again.' },
  SSO_TESTED: {
    title: 'The try-out is over',
    text: 'Nobody was signed in. Each step is shown where you began it: in the terminal or at the connector.',
  },
  LOCKED: { title: 'Your account is locked', text: 'An administrator has locked it. Ask them why, and when it ends.' },
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
