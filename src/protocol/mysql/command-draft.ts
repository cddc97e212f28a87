import type { WholePayload } from './parameters.ts';
import type { Grammar } from './pending.ts';
import type { Execution, PreparedMemory } from './prepared.ts';
import type { CommandName, Request, ServerError } from './records.ts';

/**
 * How much of a command is looked at: all of it; its beginning, while the rest is still to come; or its beginning when the rest has passed (length and
 * SHA-256 from `hashFrom` on).
 */
export type Extent = 'whole' | 'beginning' | WholePayload;

/** What a request says apart from its number and time. */
export type RequestDetails = Omit<Request, 'id' | 'command' | 'startedAtMs'>;

/** A command as judged, before anything of it took effect. */
export type Draft = {
  readonly command: CommandName;
  readonly grammar: Grammar;
  /** Undefined: nothing is told of it. */
  readonly details: RequestDetails | undefined;
  /** It is answered here with this and does not go on. */
  readonly refusal?: ServerError | undefined;
  /** It is answered here with an OK and asked of the other agents. */
  readonly elsewhere?: KillElsewhere | undefined;
  /** The packet that goes on instead. */
  readonly replacement?: Buffer | undefined;
  readonly loadsLocal?: boolean;
  readonly useTarget?: string | undefined;
  /** It may change the default database in a way that is not seen. */
  readonly runsUnseen?: boolean;
  /** It reads what the statement before it left (warnings, counts) and nothing else. */
  readonly readsDiagnostics?: boolean;
  /** Where hashing begins when it is long. Absent: no digest is wanted. */
  readonly hashFrom?: number;
  readonly memoryBytes?: number;
  /** What changes when it goes on. */
  readonly effect?: () => Effect | undefined;
};

/** The session that a KILL is for. */
export type KillElsewhere = { readonly shownId: number; readonly what: 'query' | 'connection' };

/** What a PREPARE made, or an execution that is to be settled. */
export type Effect = { readonly prepare?: PreparedMemory; readonly execution?: Execution };

/** A command of which nothing is remembered. */
export function plainDraft(command: CommandName, grammar: Grammar, details: RequestDetails = NO_DETAILS): Draft {
  return { command, grammar, details };
}

/** A command that is answered here. */
export function refusedDraft(command: CommandName, refusal: ServerError, details: RequestDetails = NO_DETAILS): Draft {
  return { command, grammar: 'ok', details, refusal };
}

const NO_DETAILS: RequestDetails = {};
