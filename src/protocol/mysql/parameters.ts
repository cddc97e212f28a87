import type { BoundValues } from './records.ts';

/** The types that the last execution of a statement sent, to be remembered for the next: per parameter its type byte, plus 0x8000 when it is unsigned. */
export type ParameterTypes = readonly number[];

/** What of an execution is not in its packet, and how much of it to keep. */
export type ExecuteOptions = {
  /** Of the prepared statement. */
  readonly parameterCount: number;
  /** From the statement's last execution; undefined: it was never executed. */
  readonly knownTypes: ParameterTypes | undefined;
  /** CLIENT_QUERY_ATTRIBUTES is agreed on. */
  readonly queryAttributes: boolean;
  /** Indices of the parameters that COM_STMT_SEND_LONG_DATA sent since the last execution or reset. */
  readonly longData: ReadonlySet<number>;
  /** Of value bytes kept for audit, values and attributes together. */
  readonly maxValuesBytes: number;
  /** Present when `payload` is only the beginning: length and SHA-256 of the whole payload. */
  readonly cut?: WholePayload;
};

/** Of a payload that was not kept whole. */
export type WholePayload = { readonly bytes: number; readonly sha256: string };

/** A COM_STMT_EXECUTE, read. */
export type Execute = {
  readonly statementId: number;
  readonly flags: number;
  /** To remember; undefined when nothing new is known (the packet had none, or was cut before them). */
  readonly types: ParameterTypes | undefined;
  readonly values: BoundValues;
  readonly attributes?: BoundValues;
};
