import type { EventSpec } from './event.ts';
import { EVENTS } from './events.table.ts';

/** docs/reference/events.md, made from the table of events; events-page.test.ts holds the two together. */
export function eventsPage(): string {
  const specs: readonly (readonly [string, EventSpec])[] = Object.entries(EVENTS);
  const rows = specs.map(
    ([code, spec]) =>
      `| \`${code}\` | \`${spec.event}\` | ${spec.writers.join(', ')} | ${spec.says} | ${fieldList(spec)} |`,
  );
  return `${HEAD}\n${rows.join('\n')}\n${TAIL}`;
}

function fieldList(spec: EventSpec): string {
  return Object.entries(spec.fields)
    .map(([name, type]) => `\`${name}\` ${type}`)
    .join(', ');
}

const HEAD = `# Audit events

Generated from \`src/audit/events.table.ts\`; do not edit. One event is one JSON object on one line. The last letter of a code: \`I\` told, \`W\` denied or warned.
Readers must ignore fields that they do not know.

    {"event":"db.session.query","code":"TDB02I","time":"2021-03-11T21:42:38.485Z","uid":"922e023c-b8b5-81cc-993e-000000000001","ei":1,
     "cluster_name":"staging","server_id":"...","sid":"c31c3969-39fc-4ce4-8cd6-683fa188e001","user":"alice","user_kind":"local","user_roles":["access"],
     "db_service":"db2","db_protocol":"postgres","db_uri":"db2:5432","db_name":"test","db_user":"postgres","db_query":"SELECT * FROM test;"}

## Fields of every event

| field | what |
| --- | --- |
| \`event\`, \`code\` | what happened; the table below |
| \`time\` | when, UTC with milliseconds, of the machine that wrote it |
| \`uid\` | a UUID of its own: an event with the same \`uid\` is the same event |
| \`ei\` | its number within the session, from 0; 0 outside of sessions |
| \`cluster_name\`, \`server_id\` | where it was written; the Auth Service takes no event under another host's id |
| \`sid\`, \`user\`, \`user_kind\`, \`user_roles\`, \`addr.remote\` | the session and the person, where there is one |
| \`db_service\`, \`db_protocol\`, \`db_uri\`, \`db_name\`, \`db_user\`, \`db_type\`, \`db_origin\`, \`db_labels\` | the database, in events of a session. \`db_name\` is the default database when the event was written: it follows \`USE\` once the database has confirmed it |
| \`success\`, \`error\`, \`message\` | how it went |

Nothing is cut silently: beside a text that was too long stands \`<field>_truncated\` with \`{"bytes": <length of the whole>, "sha256": "<of the whole>"}\`.

## Events

A type with \`?\` may be missing. \`text\` string, \`texts\` list of strings, \`int\` and \`number\`, \`bool\`, \`time\` RFC 3339, \`json\` as it comes.

| code | event | written by | what | its own fields |
| --- | --- | --- | --- | --- |`;

const TAIL = `
## Fields of statements and results

| field | what |
| --- | --- |
| \`<field>_encoding\` | \`latin1\`: the text is not UTF-8, so one character stands for a byte |
| \`db_query_unknown\` | \`statement\` or \`portal\`: the client ran a name that this session did not define, such as one of a SQL-level PREPARE |
| \`db_query_uncertain\`, \`db_query_candidates\` | the database may hold another text under that name; the candidates are the beginnings of those known |
| \`db_query_rejected\` | the recorded text was refused when it was prepared, and yet the database ran something: one of the candidates |
| \`query_ei\` | the \`ei\` of the statement's own event in the same session |
| \`outcome\` | \`completed\`, \`suspended\` (the client asked for a portion of the rows), \`empty\`, \`failed\`, \`skipped\` (an earlier one failed), \`unanswered\` (the session ended first) |
| \`command\`, \`command_count\`, \`commands\` | the command tag; of a text with several: how many, and the first 64 as \`{"tag","rows","affected"}\` |
| \`bytes\`, \`copy_bytes\` | of the whole answer on the wire; of COPY data in either direction |
| \`severity\`, \`error_code\` | the database's own: \`ERROR\`, SQLSTATE |
| \`result_count\`, \`warnings\`, \`info\`, \`last_insert_id\` | MySQL: of several results how many; the last one's count of warnings and text; the first number made by AUTO_INCREMENT, as text |
| \`local_infile\` | MySQL: a file of the client's machine was asked for: \`{"file_name","bytes","refused"}\` |
| \`query_attributes\`, \`parameters\` | MySQL: \`[{"name","value"}]\`; values in order |
| \`process_id\`, \`process_id_in_database\` | MySQL: whom a KILL names, as the client knows the session and as the database does |
| \`sql_state\` | MySQL: beside \`error_code\`, the number |
| \`duration_ms\`, \`database_ms\` | from the statement to the end of its answer, and to the first byte of it |

## Refusals before a session

\`auth\` (\`T3007W\`) tells who could not prove who they are: to the proxy's port (\`listener\` \`database\`, \`tunnel\`), to the Auth Service's (\`auth\`), and to an agent (\`opening\`: what a proxy sent; \`proxy\` is
the address it was dialled at). \`reason\` is a code such as \`NO_CERTIFICATE\`, \`NO_TLS\`, \`CERT_EXPIRED\`, \`CERT_FOREIGN_AUTHORITY\`, \`WRONG_PROTOCOL\`, \`OPENING_REPLAYED\`. \`fingerprint\` is of the certificate as it was
shown; \`user\` or \`host_id\` stands there only when the cluster itself signed it. Who is known and refused for a lock, an address, or because nobody serves the database, is a \`db.session.start\` (\`TDB00W\`).

Nobody can fill the log: of one address \`client_refusal_events_per_minute\`, of all \`refusal_events_per_minute\` are told one by one; then one event with the reason \`REFUSALS_LEFT_OUT\` says how many more there were
(\`left_out\`) and why (\`left_out_reasons\`). A client that tries again in clear after it was refused over TLS, as PostgreSQL's do by default, is told once.

## When events wait

- The journal of a host (\`<data_dir>/database/journal\`, \`<data_dir>/proxy/journal\`) keeps events until the Auth Service has them. When an agent's reaches its limit, statements wait, then their
  sessions end with \`audit-unavailable\`; nothing is dropped. A proxy's holds refusals alone: when it is full, people go on being let in and refused, and further refusals are told as a number later. \`tessera_audit_backlog_bytes\` and \`tessera_audit_lag_seconds\` tell how far behind it is.
- \`quarantine/\` in it holds events that the Auth Service refused for good (\`tessera_audit_quarantined_bytes\` above 0; the log of both sides says why). They are not lost and
  not delivered. After the cause is gone, rename the file so that it ends in \`.again\` and restart the service.
- A further destination of \`audit_events_uri\` that is away has a backlog of its own beside the Auth Service's log. At its limit the Auth Service takes no more events, and they wait with the hosts.

## Files

\`file:///directory\` holds \`YYYY-MM-DD.log\` (0600), one JSON document a line, by the UTC day of the event's own time, and \`YYYY-MM-DD.index\` beside it, which is made anew
from the log when it is missing. To forget a day, delete both.
`;
