import type { CountAuditRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { searchOf } from './audit.ts';
import type { Call } from './gate.ts';

/** The audit log in figures, exact: spans of time, and the largest groups. */
export async function countAudit(request: CountAuditRequest, { context }: Call) {
  const counts = await context.audit.count({
    filter: request.filter === undefined ? {} : searchOf(request.filter),
    buckets: request.buckets,
    groupBy: request.groupBy,
    top: request.top,
  });
  return {
    buckets: counts.buckets.map(({ fromMs, count, refused }) => ({
      from: new Date(fromMs).toISOString(),
      count: BigInt(count),
      refused: BigInt(refused),
    })),
    groups: counts.groups.map(({ value, count, refused }) => ({
      value,
      count: BigInt(count),
      refused: BigInt(refused),
    })),
    total: BigInt(counts.total),
  };
}
