import { listAt, numberAt } from '../../parts/events/event.ts';
import type { Item } from '../../parts/resources/item.ts';

/** A token's name is its secret: of a long one the first characters, of a short one that somebody chose only that it is there. */
export function tokenHint(token: Item): string {
  return token.name.length >= 32 ? `${token.name.slice(0, 8)}…` : '••••••••';
}

/** "Agents", "Proxies". */
export function tokenRoles(token: Item): string {
  const words = listAt(token.spec, 'roles').map((role) =>
    role === 'Db' ? 'agents' : role === 'Proxy' ? 'proxies' : role,
  );
  return words.join(' and ');
}

/** How often it may still be used. */
export function usesWords(token: Item): string {
  const uses = numberAt(token.spec, 'uses_left');
  return uses === undefined ? 'until it expires' : uses === 1 ? 'once' : `${uses} times`;
}

/** What the machine's tessera.yaml says to join. Every value is quoted, so that nothing in it can be read as anything else. */
export function joinConfig(of: {
  readonly role: 'db' | 'proxy';
  readonly caPins: readonly string[];
  /** host:port of a proxy, for an agent; empty when there is none. */
  readonly proxy: string;
}): string {
  const pins = of.caPins.map((pin) => JSON.stringify(pin)).join(', ');
  return [
    'version: v1',
    'tessera:',
    of.role === 'db'
      ? `  proxy_server: ${JSON.stringify(of.proxy === '' ? 'access.example.com:3080' : of.proxy)}`
      : '  auth_server: "auth.example.com:3025"',
    '  join_token_file: /etc/tessera/join-token',
    `  ca_pin: [${pins}]`,
    ...(of.role === 'db'
      ? ['db_service:', '  enabled: yes', '  databases: []', '']
      : ['proxy_service:', '  enabled: yes', '  public_addr: "access.example.com:3080"', '']),
  ].join('\n');
}

/** The shell command that puts the token into a file that the service alone may read. */
export function tokenCommand(token: string): string {
  const quoted = `'${token.replaceAll("'", `'\\''`)}'`;
  return `printf %s ${quoted} | sudo install -D -o tessera -g tessera -m 0600 /dev/stdin /etc/tessera/join-token`;
}
