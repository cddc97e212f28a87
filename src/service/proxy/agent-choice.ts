import type { Refusal } from '../../engine/engine.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { AgentConnection } from '../../tunnel/agent-tunnel.ts';
import { StreamResetError } from '../../tunnel/reset.ts';
import { STREAM_PURPOSE, type TunnelStream } from '../../tunnel/tunnel.ts';

export type AgentChoiceOptions = {
  /** Best first (`Hub.route`). */
  readonly agents: readonly AgentConnection[];
  /** The signed opening for one agent. */
  readonly openingFor: (agentHostId: string) => Buffer;
  /** Called with each stream that is tried, before its answer: client bytes may be sent at once. */
  readonly onTry: (stream: TunnelStream) => void;
  readonly clock: Clock;
  readonly acceptTimeoutMs: number;
  /** Aborted when the client left. */
  readonly signal: AbortSignal;
  /** Counted: `accepted`, or why not. */
  readonly onAttempt: (result: string) => void;
};

export type AgentChoice =
  | { readonly type: 'accepted'; readonly stream: TunnelStream; readonly agent: AgentConnection }
  | { readonly type: 'refused'; readonly refusal: Refusal; readonly agentHostId?: string; readonly error?: Error }
  | { readonly type: 'gone' };

/**
 * Offers a session to one agent after the other until one takes it. An agent that is full, draining, silent or just lost is passed over; one that says no
 * to the session itself ends the search, as the others would say the same.
 */
export async function chooseAgent(options: AgentChoiceOptions): Promise<AgentChoice> {
  let last: Error | undefined;
  for (const agent of options.agents) {
    if (options.signal.aborted) return { type: 'gone' };
    const stream = agent.open(STREAM_PURPOSE.session, options.openingFor(agent.agent.hostId));
    options.onTry(stream);
    const answer = await answerOf(stream, options);
    options.onAttempt(answer.type === 'no' ? answer.error.reason : answer.type);
    if (answer.type === 'accepted') return { type: 'accepted', stream, agent };
    if (answer.type !== 'no') stream.destroy();
    if (answer.type === 'gone') return { type: 'gone' };
    if (answer.type === 'no' && !answer.error.retryable)
      return { type: 'refused', refusal: REFUSED, agentHostId: agent.agent.hostId, error: answer.error };
    if (answer.type === 'no') last = answer.error;
  }
  return { type: 'refused', refusal: NO_AGENT, ...(last === undefined ? {} : { error: last }) };
}

type Answer =
  | { readonly type: 'accepted' | 'timeout' | 'gone' }
  | { readonly type: 'no'; readonly error: StreamResetError };

function answerOf(stream: TunnelStream, { clock, acceptTimeoutMs, signal }: AgentChoiceOptions): Promise<Answer> {
  return new Promise((resolve) => {
    const gone = (): void => done({ type: 'gone' });
    const timer = clock.after(acceptTimeoutMs, () => done({ type: 'timeout' }));
    const done = (answer: Answer): void => {
      timer.cancel();
      signal.removeEventListener('abort', gone);
      resolve(answer);
    };
    signal.addEventListener('abort', gone, { once: true });
    stream.accepted.then(
      () => done({ type: 'accepted' }),
      (error: unknown) =>
        done({
          type: 'no',
          error: error instanceof StreamResetError ? error : new StreamResetError('lost', '', error),
        }),
    );
  });
}

const NO_AGENT: Refusal = {
  reason: 'no-agent',
  message: 'no database service that serves this database can be reached now',
  hint: 'try again; "tsh db ls -v" shows which databases are healthy',
};
const REFUSED: Refusal = {
  reason: 'internal',
  message: 'the database service did not take the connection',
  hint: "ask the administrator to look into the database service's log",
};
