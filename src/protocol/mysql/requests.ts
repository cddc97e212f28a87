import { createHash, type Hash } from 'node:crypto';
import type { CommandSink } from './client-scanner.ts';
import type { Draft, KillElsewhere } from './command-draft.ts';
import { Commands } from './commands.ts';
import type { Request, ServerError } from './records.ts';
import { encodePacket } from './packet.ts';
import type { SessionState } from './session-state.ts';

/** The client's direction of a conversation: judges commands, reports them, queues what the database must answer and answers what it never gets. */
export class Requests implements CommandSink {
  readonly #state: SessionState;
  readonly #commands: Commands;
  #long: LongCommand | undefined;
  /** Told of the database's answers that a file has ended; set once. */
  onFileEnd: ((sequence: number) => void) | undefined;

  constructor(state: SessionState) {
    this.#state = state;
    this.#commands = new Commands(state);
  }

  command(payload: Buffer): Buffer | undefined {
    const draft = this.#commands.judge(payload, 'whole');
    if (draft.refusal !== undefined) {
      this.#refuse(draft, draft.refusal, 0);
      return NOTHING;
    }
    if (draft.elsewhere !== undefined) {
      this.#askElsewhere(draft, draft.elsewhere);
      return NOTHING;
    }
    const check = this.#check(draft);
    this.#admit(draft, 0);
    return check === undefined
      ? draft.replacement
      : Buffer.concat([check, draft.replacement ?? encodePacket(0, payload)]);
  }

  longBegin(beginning: Buffer): { readonly passes: boolean; readonly before?: Buffer | undefined } {
    const draft = this.#commands.judge(beginning, 'beginning');
    const { refusal, hashFrom } = draft;
    const from = hashFrom ?? 0;
    const hash = hashFrom === undefined ? undefined : createHash('sha256').update(beginning.subarray(from));
    this.#long = { beginning, refusal, hash, bytes: beginning.length - from };
    return refusal === undefined ? { passes: true, before: this.#check(draft) } : { passes: false };
  }

  longBytes(bytes: Buffer): void {
    if (this.#long === undefined) return;
    this.#long.bytes += bytes.length;
    this.#long.hash?.update(bytes);
  }

  longEnd(sequence: number): void {
    const long = this.#long;
    if (long === undefined) return;
    this.#long = undefined;
    const sha256 = long.hash?.digest('hex') ?? '';
    const draft = this.#commands.judge(long.beginning, { bytes: long.bytes, sha256 });
    // What was decided by the beginning holds: the rest has gone on, or has not.
    if (long.refusal === undefined) this.#admit(draft, sequence);
    else this.#refuse(draft, long.refusal, sequence);
  }

  fileBytes(count: number): void {
    const infile = this.#state.queue.head?.infile;
    if (infile !== undefined) infile.bytes += count;
  }

  fileEnd(sequence: number): void {
    this.onFileEnd?.(sequence);
  }

  /** A request of our own to go before this one: what ran unseen may have changed the default database. */
  #check({ command, grammar, readsDiagnostics }: Draft): Buffer | undefined {
    const state = this.#state;
    if (!state.unseen || readsDiagnostics === true || HARMLESS.has(command)) return undefined;
    return grammar === 'none' || grammar === 'rows' ? undefined : state.checkDatabase();
  }

  /** It goes to the database, whose answer begins behind `sequence`. */
  #admit(draft: Draft, sequence: number): void {
    const state = this.#state;
    const request = this.#request(draft);
    if (request !== undefined) state.observer.request(request);
    else if (draft.command === 'COM_QUIT') state.observer.quit?.();
    const { prepare, execution } = draft.effect?.() ?? {};
    if (draft.runsUnseen === true) state.unseen = true;
    if (draft.grammar !== 'none') {
      const { grammar, loadsLocal, useTarget, memoryBytes } = draft;
      const firstSequence = (sequence + 1) & 0xff;
      const mustTell = draft.command === 'COM_INIT_DB';
      state.enqueue({
        grammar,
        request,
        firstSequence,
        mustTell,
        prepare,
        execution,
        loadsLocal,
        useTarget,
        memoryBytes,
      });
    } else if (request !== undefined) state.reportUnanswerable(request);
  }

  #refuse(draft: Draft, error: ServerError, sequence: number): void {
    const request = this.#request(draft);
    if (request !== undefined) this.#state.observer.refused(request, error);
    this.#state.answer((sequence + 1) & 0xff, error);
  }

  #askElsewhere(draft: Draft, { shownId, what }: KillElsewhere): void {
    const request = this.#request(draft);
    if (request === undefined) return;
    this.#state.observer.request(request);
    this.#state.options.policy.killElsewhere(shownId, what);
    this.#state.answerDone(1, request);
  }

  #request({ command, details }: Draft): Request | undefined {
    if (details === undefined) return undefined;
    const { nowMs } = this.#state;
    return { id: this.#state.nextId(), command, startedAtMs: nowMs, ...details };
  }
}

/** These do not go by the default database, or set it themselves. */
const HARMLESS: ReadonlySet<Request['command']> = new Set([
  'COM_PING',
  'COM_INIT_DB',
  'COM_STATISTICS',
  'COM_STMT_RESET',
]);

/** A command under way of which only the beginning is kept. */
type LongCommand = {
  readonly beginning: Buffer;
  readonly refusal: ServerError | undefined;
  readonly hash: Hash | undefined;
  /** What is hashed so far. */
  bytes: number;
};

const NOTHING: Buffer = Buffer.alloc(0);
