/** New roles begin with one of these: each works as it is once names and labels fit. */
export type Template = { readonly id: string; readonly title: string; readonly text: string; readonly yaml: string };

export const TEMPLATES: readonly Template[] = [
  {
    id: 'reader',
    title: 'Read one environment',
    text: 'Databases with a label, as one database user',
    yaml: `kind: role
version: v8
metadata:
  name: staging-reader
  description: Read the databases of staging
spec:
  options:
    max_session_ttl: 8h
  allow:
    db_labels:
      env: staging
    db_users: [reader]
    db_names: ["*"]
`,
  },
  {
    id: 'production',
    title: 'Production, short and watched',
    text: 'A second factor for each session, idle sessions end',
    yaml: `kind: role
version: v8
metadata:
  name: production-writer
  description: Write in production, with a second factor for each session
spec:
  options:
    max_session_ttl: 4h
    client_idle_timeout: 15m
    require_session_mfa: true
    lock: strict
  allow:
    db_labels:
      env: prod
    db_users: [writer]
    db_names: ["*"]
  deny:
    db_users: [postgres, root]
`,
  },
  {
    id: 'traits',
    title: 'By the traits of each person',
    text: 'One role for all: users and names stand in the traits',
    yaml: `kind: role
version: v8
metadata:
  name: by-traits
  description: Each person as their own traits say
spec:
  allow:
    db_labels:
      env: [dev, staging]
    db_users: ["{{internal.db_users}}"]
    db_names: ["{{internal.db_names}}"]
`,
  },
  {
    id: 'teams',
    title: 'Teams by a label',
    text: 'The trait teams decides which databases',
    yaml: `kind: role
version: v8
metadata:
  name: team
  description: The databases of one's own teams
spec:
  allow:
    db_labels_expression: 'contains(user.spec.traits["teams"], labels["team"])'
    db_users: ["app-{{external.teams}}"]
    db_names: ["*"]
`,
  },
  {
    id: 'operator',
    title: 'Operate without databases',
    text: 'Sees the audit log, agents and locks; opens nothing',
    yaml: `kind: role
version: v8
metadata:
  name: operator
  description: Watch and lock; open no database
spec:
  allow:
    rules:
      - resources: [db, db_server, proxy_server]
        verbs: [list, read]
      - resources: [lock]
        verbs: [list, create, read, delete]
      - resources: [event, session]
        verbs: [list, read]
`,
  },
  {
    id: 'deny',
    title: 'Only forbid',
    text: 'Wins over every other role of the person',
    yaml: `kind: role
version: v8
metadata:
  name: no-superuser
  description: Never as a superuser, whatever other roles allow
spec:
  deny:
    db_users: [postgres, root, admin]
`,
  },
];
