import { ConfigError, TesseraError } from '../errors.ts';
import type { Io } from './io.ts';
import { tell, visible } from './io.ts';

/** The command line itself is wrong: exit code 2 instead of 1. */
export class UsageError extends TesseraError {
  constructor(message: string) {
    super('USAGE', message);
  }
}

/** The person pressed Ctrl-C or Escape at a question: exit code 130, nothing more is said. */
export class Cancelled extends TesseraError {
  constructor() {
    super('CANCELLED', 'cancelled');
  }
}

/** What failed and why (one line), and on the next line what to do about it. */
export function failure(code: string, what: string, todo: string, cause?: unknown): TesseraError {
  return new TesseraError(code, `${what}\n${todo}`, cause === undefined ? {} : { cause });
}

/** The code of a refusal by the Auth Service (`permission_denied`, `not_found`, ...), or of our own error; undefined for others. */
export function failureCode(error: unknown): string | undefined {
  if (isConnectError(error))
    return error.cause instanceof TesseraError ? error.cause.code : (CONNECT_CODES[error.code] ?? 'unknown');
  return error instanceof TesseraError ? error.code : undefined;
}

/** The Auth Service's own stable code of a refusal (`SESSION_MFA_REQUIRED`, ...), which is finer than {@link failureCode}; undefined for other errors. */
export function refusalCode(error: unknown): string | undefined {
  const metadata: unknown = isConnectError(error) ? Reflect.get(error, 'metadata') : undefined;
  return metadata instanceof Headers ? (metadata.get('tessera-code') ?? undefined) : undefined;
}

/** The text of an error without prefixes of libraries. */
export function failureText(error: unknown): string {
  if (isConnectError(error)) return error.cause instanceof TesseraError ? error.cause.message : error.rawMessage;
  return error instanceof Error ? error.message : String(error);
}

/**
 * Says on stderr what went wrong and gives the exit code: 2 for usage, 130 for cancelled, else 1. A server's text may be in it, also of one that nothing proved: control
 * characters are written out.
 */
export function reportFailure(io: Io, program: string, error: unknown): number {
  if (error instanceof Cancelled) {
    tell(io, 'cancelled');
    return 130;
  }
  if (error instanceof ConfigError) {
    for (const problem of error.problems) for (const line of problem.split('\n')) tell(io, visible(line));
    tell(
      io,
      `${program}: ${error.problems.length === 1 ? '1 problem' : `${error.problems.length} problems`}; nothing was changed`,
    );
    return 1;
  }
  const [first = '', ...rest] = failureText(error).split('\n');
  tell(io, `${program}: ${visible(first)}`);
  for (const line of rest) tell(io, `  ${visible(line)}`);
  const todo = rest.length === 0 ? advice(error) : undefined;
  if (todo !== undefined) tell(io, `  ${todo}`);
  if (io.env['TESSERA_DEBUG'] !== undefined && error instanceof Error) {
    for (const line of (error.stack ?? '').split('\n')) tell(io, visible(line));
  }
  return error instanceof UsageError ? 2 : 1;
}

function advice(error: unknown): string | undefined {
  if (refusalCode(error) === 'SECOND_FACTOR_REFUSED')
    return 'wait for the next code, then try again; your devices: tsh mfa ls';
  switch (failureCode(error)) {
    case 'unauthenticated':
      return 'sign in again: tsh login';
    case 'permission_denied':
      return 'see who you are: tsh status; an administrator can change roles and lift locks';
    case 'AUTH_NOT_TRUSTED':
      return 'somebody may be in between, or the cluster was rebuilt: compare with `tessera status` on the Auth machine, then sign in with --ca-pin';
    case 'AUTH_UNREACHABLE':
    case 'unavailable':
    case 'deadline_exceeded':
      return 'the Auth Service did not answer: check the address and the network, then try again';
    case 'resource_exhausted':
      return 'wait a little, then try again';
    default:
      return undefined;
  }
}

type ConnectFailure = Error & { readonly code: number; readonly rawMessage: string };

/** By shape, so that no command has to load the RPC library to say what went wrong. */
function isConnectError(error: unknown): error is ConnectFailure {
  return (
    error instanceof Error &&
    error.name === 'ConnectError' &&
    'rawMessage' in error &&
    typeof error.rawMessage === 'string'
  );
}

/** https://connectrpc.com/docs/protocol#error-codes, by number. */
const CONNECT_CODES: Readonly<Record<number, string>> = {
  1: 'canceled',
  2: 'unknown',
  3: 'invalid_argument',
  4: 'deadline_exceeded',
  5: 'not_found',
  6: 'already_exists',
  7: 'permission_denied',
  8: 'resource_exhausted',
  9: 'failed_precondition',
  10: 'aborted',
  11: 'out_of_range',
  12: 'unimplemented',
  13: 'internal',
  14: 'unavailable',
  15: 'data_loss',
  16: 'unauthenticated',
};
