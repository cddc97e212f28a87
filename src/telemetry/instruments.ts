import type { Distribution, Family, Metrics, Sample, Tally } from './metrics.ts';

/** Every metric that code adds to, by name; one set a process, handed to the services. Gauges are registered by their owners through `metrics.gauge`. */
export type Instruments = {
  readonly metrics: Metrics;
  /** Client's first byte to ready for statements, at the agent: `tessera_db_connection_setup_time_seconds`. */
  readonly dbSetupSeconds: Distribution<'db_protocol'>;
  /** Client's first byte to the agent's yes, at the proxy: `tessera_proxy_db_connection_setup_time_seconds`. */
  readonly proxySetupSeconds: Distribution<'db_protocol'>;
  readonly dbSessionSeconds: Distribution<'db_protocol'>;
  /** Sessions that did not come to be or ended by a fault: component `proxy`, `agent`; reason as in `Refusal`. */
  readonly dbErrors: Family<'component' | 'db_protocol' | 'reason'>;
  readonly dbSessions: SessionMeter;
  readonly proxyDialAttempts: Family<'result'>;
  readonly proxyActiveConnections: Tally;
  readonly tunnelCreditStalls: Tally;
  readonly logins: Family<'result' | 'method'>;
  readonly certificatesIssued: Family<'type'>;
  readonly rateLimited: Family<'listener'>;
  /** Requests that the proxy's web end answered: `tessera_proxy_web_requests_total`. */
  readonly webRequests: Family<'route' | 'outcome'>;
  readonly auditEvents: Tally;
  readonly auditBytes: Tally;
  readonly auditCommits: Tally;
  readonly auditJournalFull: Tally;
  readonly auditShippedBatches: Family<'result'>;
  readonly auditQuarantinedBatches: Tally;
  readonly auditIngested: Family<'result'>;
  readonly auditBacklogs: BacklogMeter;
  /** Refusals that the audit log only counts: too many in a minute, or the journal was full. */
  readonly auditRefusalsLeftOut: Tally;
};

/** What a live session counts in place; engine.RelayCounters is one. */
export type SessionCounters = {
  readonly bytesFromClient: number;
  readonly bytesFromDatabase: number;
  readonly statements: number;
};
export type SessionLabels = { readonly db_protocol: string; readonly db_service: string };

/** Makes and registers all of them. `build` becomes `tessera_build_info`. */
export function createInstruments(
  metrics: Metrics,
  build: { readonly version: string; readonly service: string },
): Instruments {
  const labels = { version: build.version, service: build.service, node: process.versions.node };
  metrics.gauges('tessera_build_info', 'Always 1; which build this is.', ['version', 'service', 'node'], () => [
    { labels, value: 1 },
  ]);
  const active: Tally = { value: 0 };
  metrics.gauge('tessera_proxy_db_active_connections', 'Client connections the proxy relays now.', () => active.value);
  return {
    metrics,
    dbSetupSeconds: metrics.histogram(
      'tessera_db_connection_setup_time_seconds',
      'Session opening to ready for statements, at the Database Service.',
      ['db_protocol'],
      SETUP_BUCKETS,
    ),
    proxySetupSeconds: metrics.histogram(
      'tessera_proxy_db_connection_setup_time_seconds',
      "Client's first byte to the Database Service's yes, at the proxy.",
      ['db_protocol'],
      SETUP_BUCKETS,
    ),
    dbSessionSeconds: metrics.histogram(
      'tessera_db_connection_durations_seconds',
      'How long sessions last.',
      ['db_protocol'],
      SESSION_BUCKETS,
    ),
    dbErrors: metrics.counters('tessera_db_errors_total', 'Sessions refused or ended by a fault.', [
      'component',
      'db_protocol',
      'reason',
    ]),
    dbSessions: new SessionMeter(metrics),
    proxyDialAttempts: metrics.counters(
      'tessera_proxy_db_connection_dial_attempts_total',
      'Sessions offered to an agent, by its answer.',
      ['result'],
    ),
    proxyActiveConnections: active,
    tunnelCreditStalls: metrics.counter(
      'tessera_tunnel_credit_stalls_total',
      'Times a tunnel stream had bytes to send and no credit.',
    ),
    logins: metrics.counters('tessera_user_login_total', 'Sign-in attempts.', ['result', 'method']),
    certificatesIssued: metrics.counters('tessera_certificates_issued_total', 'Certificates issued.', ['type']),
    rateLimited: metrics.counters('tessera_rate_limited_total', 'Connections and calls refused by a rate limit.', [
      'listener',
    ]),
    webRequests: metrics.counters('tessera_proxy_web_requests_total', 'Requests to the web end, by outcome.', [
      'route',
      'outcome',
    ]),
    ...auditInstruments(metrics),
  };
}

function auditInstruments(metrics: Metrics) {
  return {
    auditEvents: metrics.counter('tessera_audit_emit_events_total', 'Audit events written to the journal.'),
    auditBytes: metrics.counter('tessera_audit_emit_bytes_total', 'Bytes of audit events written to the journal.'),
    auditCommits: metrics.counter('tessera_audit_commits_total', 'Writes to the journal.'),
    auditJournalFull: metrics.counter(
      'tessera_audit_journal_full_total',
      'Times a statement had to wait because the journal was full.',
    ),
    auditShippedBatches: metrics.counters(
      'tessera_audit_shipped_batches_total',
      'Batches sent to the Auth Service, by outcome.',
      ['result'],
    ),
    auditQuarantinedBatches: metrics.counter(
      'tessera_audit_quarantined_batches_total',
      'Batches the Auth Service refused for good, kept aside. Must stay 0.',
    ),
    auditIngested: metrics.counters(
      'tessera_audit_ingested_events_total',
      'Events received by the Auth Service: stored, repeated or rejected.',
      ['result'],
    ),
    auditBacklogs: new BacklogMeter(metrics),
    auditRefusalsLeftOut: metrics.counter(
      'tessera_audit_refusals_left_out_total',
      'Refusals that the audit log counts without telling each: too many in a minute, or the journal was full.',
    ),
  };
}

/** How far a destination of audit events is behind; src/audit/shipper.ts is one. */
export type Backlog = { readonly backlogBytes: number; readonly lagMs: number; readonly quarantinedBytes: number };
export type BacklogLabels = { readonly service: string; readonly destination: string };

/** What each service of the process has not delivered yet, read at scrape time. */
export class BacklogMeter {
  readonly #backlogs = new Map<Backlog, BacklogLabels>();

  constructor(metrics: Metrics) {
    const each = (read: (backlog: Backlog) => number) => () =>
      Array.from(this.#backlogs, ([backlog, labels]) => ({ labels, value: read(backlog) }));
    const by = ['service', 'destination'] as const;
    metrics.gauges(
      'tessera_audit_backlog_bytes',
      'Audit events not yet delivered.',
      by,
      each((backlog) => backlog.backlogBytes),
    );
    metrics.gauges(
      'tessera_audit_lag_seconds',
      'Age of the oldest audit event not yet delivered.',
      by,
      each((backlog) => backlog.lagMs / 1000),
    );
    metrics.gauges(
      'tessera_audit_quarantined_bytes',
      'Audit events refused for good, kept aside. Must stay 0.',
      by,
      each((backlog) => backlog.quarantinedBytes),
    );
  }

  /** From now on shown; call the result when its owner closes. */
  add(labels: BacklogLabels, backlog: Backlog): () => void {
    this.#backlogs.set(backlog, labels);
    return () => void this.#backlogs.delete(backlog);
  }
}

/** Sums sessions at scrape time: what each counted since the last scrape, or until its end, is added to its database's tallies. */
export class SessionMeter {
  readonly #live = new Set<TrackedSession>();
  readonly #bytes: Family<'db_protocol' | 'db_service' | 'direction'>;
  readonly #statements: Family<'db_protocol' | 'db_service'>;
  readonly #started: Family<'db_protocol' | 'db_service'>;

  constructor(metrics: Metrics) {
    const by = ['db_protocol', 'db_service'] as const;
    const settle = (): void => this.#settle();
    this.#bytes = metrics.counters('tessera_db_relay_bytes_total', 'Bytes relayed.', [...by, 'direction'], settle);
    this.#statements = metrics.counters(
      'tessera_db_statements_total',
      'Statements recorded and forwarded.',
      by,
      settle,
    );
    this.#started = metrics.counters('tessera_db_initialized_connections_total', 'Sessions begun.', by);
    metrics.gauges('tessera_db_active_sessions', 'Sessions open now.', by, () => this.#active());
  }

  /** Begins to watch a session; call the result once, when it ended. `counters` is read, never written. */
  track(labels: SessionLabels, counters: SessionCounters): () => void {
    const session = { labels, counters, seen: { bytesFromClient: 0, bytesFromDatabase: 0, statements: 0 } };
    this.#live.add(session);
    this.#started.of(labels).value += 1;
    return () => {
      if (this.#live.delete(session)) this.#add(session);
    };
  }

  #settle(): void {
    for (const session of this.#live) this.#add(session);
  }

  #add({ labels, counters, seen }: TrackedSession): void {
    const { bytesFromClient, bytesFromDatabase, statements } = counters;
    this.#bytes.of({ ...labels, direction: 'from_client' }).value += bytesFromClient - seen.bytesFromClient;
    this.#bytes.of({ ...labels, direction: 'from_database' }).value += bytesFromDatabase - seen.bytesFromDatabase;
    this.#statements.of(labels).value += statements - seen.statements;
    seen.bytesFromClient = bytesFromClient;
    seen.bytesFromDatabase = bytesFromDatabase;
    seen.statements = statements;
  }

  *#active(): Iterable<Sample<keyof SessionLabels>> {
    const counts = new Map<string, { labels: SessionLabels; value: number }>();
    for (const { labels } of this.#live) {
      const key = `${labels.db_protocol} ${labels.db_service}`;
      const entry = counts.get(key);
      if (entry === undefined) counts.set(key, { labels, value: 1 });
      else entry.value += 1;
    }
    yield* counts.values();
  }
}

type TrackedSession = {
  readonly labels: SessionLabels;
  readonly counters: SessionCounters;
  readonly seen: { bytesFromClient: number; bytesFromDatabase: number; statements: number };
};

/** Seconds; a new connection costs some round trips and handshakes. */
const SETUP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
const SESSION_BUCKETS = [0.1, 1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600] as const;
