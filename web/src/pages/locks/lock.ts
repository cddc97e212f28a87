import { textAt, valueAt } from '../../parts/events/event.ts';
import type { Item } from '../../parts/resources/item.ts';

/** What a lock may be about, as a form offers it. */
export type TargetKind = 'user' | 'role' | 'db_service' | 'server_id' | 'certificate' | 'session_id';

export const TARGETS: readonly {
  readonly kind: TargetKind;
  readonly label: string;
  readonly placeholder: string;
  /** What it ends at once, and what it refuses. */
  readonly warning: string;
}[] = [
  {
    kind: 'user',
    label: 'User',
    placeholder: 'alice',
    warning:
      'Ends every session of this person within a second, in databases and in this web UI, and refuses new ones.',
  },
  {
    kind: 'role',
    label: 'Role',
    placeholder: 'on-call',
    warning: 'Ends the sessions of everybody whose certificate has this role, and refuses new ones to all of them.',
  },
  {
    kind: 'db_service',
    label: 'Database',
    placeholder: 'orders',
    warning: 'Ends every session to this database, whoever has it, and refuses new ones.',
  },
  {
    kind: 'certificate',
    label: 'Certificate',
    placeholder: '64 hexadecimal digits, as the audit log has them',
    warning: 'Ends what was begun with this one certificate. The person may sign in anew and get another.',
  },
  {
    kind: 'session_id',
    label: 'Session',
    placeholder: 'c31c3969-39fc-4ce4-8cd6-683fa188e001',
    warning: 'Ends this one session. The person may begin another.',
  },
  {
    kind: 'server_id',
    label: 'Agent or proxy',
    placeholder: 'its host id, as "tessera status" shows it',
    warning: 'Shuts this machine out: the sessions through it end, and nothing is given to it any more.',
  },
];

export type LockForm = {
  readonly kind: TargetKind;
  readonly value: string;
  readonly message: string;
  /** Milliseconds from now; 0: until it is removed. */
  readonly forMs: number;
};
export type LockProblems = { readonly value?: string; readonly message?: string };

export const DURATIONS: readonly { readonly label: string; readonly ms: number }[] = [
  { label: 'Until it is removed', ms: 0 },
  { label: '1 hour', ms: 3_600_000 },
  { label: '8 hours', ms: 8 * 3_600_000 },
  { label: '24 hours', ms: 24 * 3_600_000 },
  { label: '7 days', ms: 7 * 24 * 3_600_000 },
];

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What is wrong, field by field. */
export function lockProblems(form: LockForm): LockProblems {
  const value = form.value.trim();
  const problem =
    value === ''
      ? 'Say what is locked'
      : form.kind === 'certificate' && !/^[0-9a-f]{64}$/.test(value)
        ? 'Expected its SHA-256: 64 hexadecimal digits in lower case'
        : form.kind === 'session_id' && !UUID.test(value)
          ? 'Expected the id of a session, as the page Sessions shows it'
          : undefined;
  return problem === undefined ? {} : { value: problem };
}

/** The document that is written. */
export function lockJson(form: LockForm, name: string, nowMs: number): string {
  const message = form.message.trim();
  return JSON.stringify({
    kind: 'lock',
    version: 'v2',
    metadata: { name },
    spec: {
      target: { [form.kind]: form.value.trim() },
      ...(message === '' ? {} : { message }),
      ...(form.forMs === 0 ? {} : { expires: new Date(nowMs + form.forMs).toISOString() }),
    },
  });
}

/** What a lock is about: one or several, all of which must fit. */
export function targetsOf(
  lock: Item,
): readonly { readonly label: string; readonly kind: string; readonly value: string }[] {
  const target = valueAt(lock.spec, 'target');
  if (typeof target !== 'object' || target === null) return [];
  return Object.keys(target).map((kind) => ({
    kind,
    label: TARGETS.find((known) => known.kind === kind)?.label ?? kind,
    value: textAt(target, kind),
  }));
}

/** RFC 3339; empty: until it is removed. */
export function lockEnds(lock: Item): string {
  return textAt(lock.spec, 'expires') || lock.expires;
}

export function lockMessage(lock: Item): string {
  return textAt(lock.spec, 'message');
}

/** Whether it holds now. */
export function holds(lock: Item, nowMs: number): boolean {
  const ends = lockEnds(lock);
  return ends === '' || !(Date.parse(ends) <= nowMs);
}

/** Locks that are about this user alone and hold now. */
export function locksOfUser(locks: readonly Item[], user: string, nowMs: number): readonly Item[] {
  return locks.filter((lock) => {
    const targets = targetsOf(lock);
    return targets.length === 1 && targets[0]?.kind === 'user' && targets[0].value === user && holds(lock, nowMs);
  });
}

/** Whether it ended one session, which stays ended: nothing can be used again without such a lock. */
export function isOfSession(lock: Item): boolean {
  return targetsOf(lock).some(({ kind }) => kind === 'session_id');
}

/** Whether "terminate" made it for one session, which is over: of little interest in a list of what is shut out. */
export function isTermination(lock: Item): boolean {
  return lock.labels['tessera.dev/origin'] === 'terminate';
}
