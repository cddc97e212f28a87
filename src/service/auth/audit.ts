import type {
  FollowAuditRequest,
  IngestAuditRequest,
  SearchAuditRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { SearchRequest } from '../../audit/search.ts';
import { LimitError } from '../../errors.ts';
import type { Caller } from './caller.ts';
import type { Call } from './gate.ts';

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
  for await (const events of context.audit.follow(filter, signal)) yield { events: [...events] };
}

function searchOf(request: SearchAuditRequest): SearchRequest {
  const { from, to, user, database, events, text, limit, cursor, descending } = request;
  return { from, to, user, database, events, text, limit, cursor, descending };
}
