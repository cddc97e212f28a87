import type { CountGroup, ServiceStatus } from '../../../../gen/tessera/auth/v1/auth_pb.ts';

/** A stretch of time as SearchAuditRequest takes it, RFC 3339. */
export type Span = { readonly from: string; readonly to: string };

const STEP_MS = 300_000;
const DAY_MS = 86_400_000;

/** The last 24 hours up to the next full five minutes: the same question for five minutes, so that answers can be kept. */
export function lastDay(nowMs: number): Span {
  const toMs = Math.ceil(nowMs / STEP_MS) * STEP_MS;
  return { from: new Date(toMs - DAY_MS).toISOString(), to: new Date(toMs).toISOString() };
}

/** Codes of src/audit/events.table.ts. */
const SIGN_INS = ['T1000I', 'T1001I'];
const SIGN_INS_REFUSED = ['T1000W', 'T1001W'];
const SESSIONS = ['TDB00I'];
const SESSIONS_REFUSED = ['TDB00W'];

export type Figures = {
  readonly signIns: number;
  readonly signInsRefused: number;
  readonly sessions: number;
  readonly sessionsRefused: number;
};

/** What the tiles show, from counts by code. */
export function figuresOf(groups: readonly Pick<CountGroup, 'value' | 'count'>[]): Figures {
  const sum = (codes: readonly string[]): number =>
    groups.filter((group) => codes.includes(group.value)).reduce((total, group) => total + Number(group.count), 0);
  return {
    signIns: sum(SIGN_INS),
    signInsRefused: sum(SIGN_INS_REFUSED),
    sessions: sum(SESSIONS),
    sessionsRefused: sum(SESSIONS_REFUSED),
  };
}

type Lag = Pick<ServiceStatus, 'auditBacklogBytes' | 'auditLagMilliseconds'>;

/** The worst lag, and all that waits. */
export function lagOf(services: readonly Lag[]): { readonly milliseconds: number; readonly backlogBytes: bigint } {
  return {
    milliseconds: services.reduce((most, one) => Math.max(most, Number(one.auditLagMilliseconds)), 0),
    backlogBytes: services.reduce((sum, one) => sum + one.auditBacklogBytes, 0n),
  };
}

/** A service tells that it is there every 20 s; after three times that it counts as away. */
const AWAY_MS = 60_000;

/** Whether a service was heard of lately; `lastHeartbeat` is RFC 3339. */
export function isThere(lastHeartbeat: string, nowMs: number): boolean {
  return nowMs - Date.parse(lastHeartbeat) < AWAY_MS;
}
