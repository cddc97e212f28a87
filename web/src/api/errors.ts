import { Code, ConnectError } from '@connectrpc/connect';
import { PageError } from './page-error.ts';

/** A failure in words for the person who meets it. `what` failed, `why`, and what to do `next`; `code` is the stable code for looking it up. */
export type Sentences = {
  readonly what: string;
  readonly why: string;
  readonly next: string;
  readonly code: string;
  /** Whether trying again without changing anything may help. */
  readonly retryable: boolean;
};

/** Same header as src/rpc/errors.ts. */
const CODE_HEADER = 'tessera-code';

/** `what` names the thing that was tried, e.g. "The roles could not be loaded". Never throws; what is no error of a call becomes a fault of the page. */
export function toSentences(error: unknown, what: string): Sentences {
  if (error instanceof PageError)
    return { what: sentence(what), why: error.message, next: error.next, code: error.code, retryable: true };
  const connect = ConnectError.from(error);
  const code = codeOf(connect);
  const words = BY_CODE.get(code) ?? WORDS[connect.code] ?? UNKNOWN;
  return {
    what: sentence(what),
    why: sentence(words.why ?? connect.rawMessage),
    next: words.next,
    code,
    retryable: words.retryable ?? false,
  };
}

/** The server's stable code, e.g. `SIGN_IN_REFUSED`; connect's own name when the answer has none. */
export function codeOf(error: unknown): string {
  if (error instanceof PageError) return error.code;
  const connect = ConnectError.from(error);
  return (
    connect.metadata.get(CODE_HEADER) ??
    Code[connect.code]?.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase() ??
    'UNKNOWN'
  );
}

/** Whether the browser is not, or no longer, signed in. A wrong password or code is refused with the same status and is something else. */
export function isSignedOut(error: unknown): boolean {
  const connect = ConnectError.from(error);
  return connect.code === Code.Unauthenticated && codeOf(connect) !== 'SIGN_IN_REFUSED';
}

/** Whether asking again by itself may help. */
export function isPassing(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.Unavailable || code === Code.DeadlineExceeded;
}

type Words = { readonly why?: string; readonly next: string; readonly retryable?: boolean };

const UNKNOWN: Words = { next: 'Try again. If it stays, tell your administrator the code below.', retryable: true };

/** Where the server's own code says more than the kind of the error; src/service/auth/gate.ts. */
const BY_CODE: ReadonlyMap<string, Words> = new Map([
  ['ACCESS_DENIED', { next: 'Your roles do not allow this. An administrator can change them.' }],
  ['LOCKED', { next: 'An administrator set this lock; ask them why, and when it ends.' }],
]);

const WORDS: { readonly [code in Code]?: Words } = {
  [Code.Unauthenticated]: { next: 'Check what you entered and try again.' },
  [Code.PermissionDenied]: { next: 'If it should work, ask an administrator.' },
  [Code.InvalidArgument]: { next: 'Correct it and try again.' },
  [Code.NotFound]: { next: 'It may have been removed meanwhile.' },
  [Code.AlreadyExists]: { next: 'Choose another name, or edit what is there.' },
  [Code.Aborted]: {
    next: 'Somebody else changed it meanwhile. Load it again and repeat your change.',
    retryable: true,
  },
  [Code.ResourceExhausted]: { next: 'Wait a little, then try again.', retryable: true },
  [Code.FailedPrecondition]: { next: 'Change what stands in the way, then try again.' },
  [Code.Unavailable]: {
    why: 'Tessera does not answer, or this computer is offline.',
    next: 'Check the connection and try again.',
    retryable: true,
  },
  [Code.DeadlineExceeded]: {
    why: 'The answer took too long.',
    next: 'Try again; a narrower search helps.',
    retryable: true,
  },
  [Code.Canceled]: { why: 'The request was given up.', next: 'Try again.', retryable: true },
  [Code.Internal]: { next: 'Try again. If it stays, tell your administrator the words above.', retryable: true },
};

// Messages from the server are lower case without a full stop, as the log has them; a page speaks in sentences.
function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') return 'No reason was given.';
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
