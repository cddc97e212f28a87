import { parseResourceOf } from './parse.ts';
import type { Role } from './resource.ts';

/**
 * The roles that a new cluster begins with. Auth writes those that are absent at first start; after that they are an administrator's
 * to change. `editor` administers and opens no database; `access` opens databases as far as the person's traits say.
 */
export function presetRoles(): readonly Role[] {
  return presets.map((preset) => parseResourceOf('role', preset));
}

const all = ['list', 'create', 'read', 'update', 'delete'];
const reading = ['list', 'read'];

const presets: readonly object[] = [
  preset('access', 'Open databases as the traits db_users and db_names say; read own sessions', {
    allow: {
      db_labels: { '*': '*' },
      db_users: ['{{internal.db_users}}'],
      db_names: ['{{internal.db_names}}'],
      db_roles: ['{{internal.db_roles}}'],
      // No rule for events: what other people did is the auditor's to read.
      rules: [{ resources: ['session'], verbs: reading, where: 'contains(session.participants, user.metadata.name)' }],
    },
  }),
  preset('editor', 'Administer users, roles, tokens, locks and settings', {
    allow: {
      rules: [
        {
          resources: [
            'user',
            'role',
            'token',
            'lock',
            'db',
            'cluster_auth_preference',
            'auth_connector',
            'access_request',
            'health_check_config',
          ],
          verbs: all,
        },
        { resources: ['db_server', 'proxy_server', 'authority', 'event', 'session'], verbs: reading },
        { resources: ['database_certificate'], verbs: ['create'] },
      ],
    },
  }),
  preset('auditor', 'Read the audit log and recorded sessions; open nothing', {
    allow: { rules: [{ resources: ['event', 'session', 'db', 'db_server', 'lock'], verbs: reading }] },
  }),
  preset('requester', 'Ask for the role access for a time', { allow: { request: { roles: ['access'] } } }),
  preset('reviewer', 'Approve or deny requests for the role access', {
    allow: { review_requests: { roles: ['access'] } },
  }),
];

function preset(name: string, description: string, spec: { readonly allow: object }): object {
  return {
    kind: 'role',
    version: 'v8',
    metadata: { name, description, labels: { 'tessera.dev/preset': 'yes' } },
    spec: { options: { max_session_ttl: '30h' }, ...spec, deny: {} },
  };
}
