import { LoginError } from '../../errors.ts';

/**
 * A provider's answer that is refused. The message goes to the audit log and to `tessera sso test`; a browser that brings a forged answer learns nothing from it.
 * It never holds the answer's text, only names, ids and times, cut to a bounded length by {@link shown}.
 */
export function fault(code: string, message: string, cause?: unknown): LoginError {
  return new LoginError(code, `saml answer: ${message}`, {
    publicMessage: 'the answer of the identity provider was refused; the audit log says why',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Text of a stranger for a message: quoted, of printable characters, at most 100 of them. */
export function shown(text: string | undefined): string {
  if (text === undefined) return 'nothing';
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);
}

const MAX_SHOWN = 100;
