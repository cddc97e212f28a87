import { Code, ConnectError } from '@connectrpc/connect';
import {
  BugError,
  ConfigError,
  LimitError,
  LoginError,
  ProtocolError,
  StorageError,
  TesseraError,
  UnsupportedError,
  UpstreamError,
} from '../errors.ts';

/** The stable code of our error travels in this header beside connect's own. */
const CODE_HEADER = 'tessera-code';

/** For the server: only `publicMessage` crosses the wire; what is not ours becomes an internal error that says nothing but `incident`. */
export function toConnectError(error: unknown, incident: string): ConnectError {
  if (error instanceof ConnectError) return error;
  if (!(error instanceof TesseraError) || error instanceof BugError) {
    return new ConnectError(
      `the auth service failed; its log has the details under incident ${incident}`,
      Code.Internal,
      { [CODE_HEADER]: 'INTERNAL' },
    );
  }
  return new ConnectError(error.publicMessage, connectCodeOf(error), { [CODE_HEADER]: error.code }, undefined, error);
}

/** For a client: the error class by blame, with the server's stable code. Errors of ours pass unchanged. */
export function fromConnectError(error: unknown): TesseraError {
  if (error instanceof TesseraError) return error;
  const connect = ConnectError.from(error);
  if (connect.cause instanceof TesseraError) return connect.cause;
  const code = connect.metadata.get(CODE_HEADER) ?? Code[connect.code]?.toUpperCase() ?? 'UNKNOWN';
  return byBlame(connect, code);
}

function byBlame(connect: ConnectError, code: string): TesseraError {
  const message = connect.rawMessage;
  const options = { cause: connect };
  switch (connect.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return new LoginError(code, message, options);
    case Code.InvalidArgument:
      return new ConfigError([message]);
    case Code.ResourceExhausted:
      return new LimitError(code, message, options);
    case Code.NotFound:
    case Code.AlreadyExists:
    case Code.Aborted:
      return new StorageError(code, message, options);
    case Code.Unimplemented:
      return new UnsupportedError(code, message, options);
    case Code.Unavailable:
    case Code.DeadlineExceeded:
    case Code.Canceled:
      return new UpstreamError(code, message, { ...options, retryable: true });
    default:
      return new UpstreamError(code, message, options);
  }
}

/** For the transport: a failed dial as connect expects it, with our error as the cause. */
export function unavailable(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ConnectError(
    message,
    error instanceof LoginError ? Code.Unauthenticated : Code.Unavailable,
    undefined,
    undefined,
    error,
  );
}

const STORAGE_CODES: { readonly [code: string]: Code } = {
  STATE_CONFLICT: Code.Aborted,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
};

function connectCodeOf(error: TesseraError): Code {
  if (error instanceof LoginError)
    return error.code === 'SIGN_IN_REFUSED' || error.code === 'NOT_SIGNED_IN'
      ? Code.Unauthenticated
      : Code.PermissionDenied;
  if (error instanceof ConfigError || error instanceof ProtocolError) return Code.InvalidArgument;
  if (error instanceof LimitError) return Code.ResourceExhausted;
  if (error instanceof UnsupportedError) return Code.Unimplemented;
  if (error instanceof StorageError) return STORAGE_CODES[error.code] ?? Code.Unavailable;
  return Code.Unavailable;
}
