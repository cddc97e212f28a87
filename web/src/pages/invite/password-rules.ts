/** The rules for a new password, as the server will judge it; src/sso/local/password.ts. */

export type Rule = { readonly text: string; readonly met: boolean };

const LEAST = 12;
const MOST = 128;

/** Every rule with whether `password` keeps it. Characters are Unicode code points, as the server counts them. */
export function passwordRules(password: string, repeated: string): readonly Rule[] {
  const length = Array.from(password).length;
  return [
    { text: `At least ${LEAST} characters; a few words are easier than symbols`, met: length >= LEAST },
    ...(length > MOST ? [{ text: `At most ${MOST} characters`, met: false }] : []),
    { text: 'The same twice', met: password !== '' && password === repeated },
  ];
}

/** The server's measure of strength is length alone; whether all rules are kept. */
export function isAcceptable(password: string, repeated: string): boolean {
  return passwordRules(password, repeated).every((rule) => rule.met);
}
