/** How a second factor is shown: a code typed here, or whatever the person has in the browser; `auto` (the default) takes the code where there is one. */
export const MFA_MODES = ['auto', 'otp', 'browser'] as const;
export type MfaMode = (typeof MFA_MODES)[number];
