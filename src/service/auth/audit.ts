import type {
  FollowAuditRequest,
  IngestAuditRequest,
  SearchAuditRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { SearchRequest } from '../../audit/search.ts';
import { LimitError } from '../../errors.ts';
import type { Caller } from './caller.ts';
import type { Call } from './gate.ts';
import { withQuiet } from './quiet.ts';

/** The audit log's methods: services add to it, in their own name only; administrators read. */

export async function ingestAudit(
  request: IngestAuditRequest,
  { caller, context }: Call<Extract<Caller, { type: 'service' }>>,
) {
  return { stored: await context.audit.ingest(request.eventsZstd, { hostId: caller.hostId, role: caller.role }) };
}

export async function searchAudit(request: SearchAuditRequest, { context }: Call) {
  const { maxSearchResults } = context.config.limits;
  if (request.limit > maxSearchResults)
    throw new LimitError(
      'AUDIT_SEARCH_LIMIT',
      `limit ${request.limit} exceeds max_search_results ${maxSearchResults}; go on with the cursor`,
    );
  const page = await context.audit.search(searchOf(request));
  return { events: [...page.events], nextCursor: page.nextCursor ?? '' };
}

export async function* followAudit(
  request: FollowAuditRequest,
  { context, signal }: Call,
): AsyncIterable<{ events: string[] }> {
  const filter = request.filter === undefined ? {} : searchOf(request.filter);
  const found = context.audit.follow(filter, signal);
  for await (const events of withQuiet(found, { quietMs: () => PULSE_MS, signal, clock: context.clock })) {
    // A message without events: the connection is alive, and so is the reader.
    yield { events: 'type' in events ? [] : [...events] };
  }
}

/** Shorter than the time after which a silent stream counts as abandoned (listener.ts). */
const PULSE_MS = 15_000;

/** The API's words for a search in those of the audit log. */
export function searchOf(request: SearchAuditRequest): SearchRequest {
  const { from, to, user, database, sessionId: session, events, text, limit, cursor, descending } = request;
  return { from, to, user, database, session, events, text, limit, cursor, descending };
}
