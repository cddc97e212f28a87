import type { Outcome } from '../command.ts';
import { splitList } from '../command.ts';
import { printDuration, printTime } from '../duration.ts';
import { UsageError } from '../failure.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth, say, tell } from '../io.ts';
import { renderTable } from '../table.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';
import { labelsAt, listAt, parseJson, textAt } from './json.ts';

export type AddTokenOptions = {
  readonly type: readonly string[];
  readonly ttl: number;
  readonly uses: number;
  readonly format: Format;
};

/** Makes a join token and prints what goes into the new machine's `tessera.yaml`. */
export async function addToken(io: Io, globals: Globals, options: AddTokenOptions): Promise<Outcome> {
  const roles = options.type.map((type) => type.toLowerCase());
  for (const role of roles)
    if (role !== 'db' && role !== 'proxy') throw new UsageError(`--type: expected db or proxy, got "${role}"`);
  const { reply, proxy } = await withAuth(io, globals, async (connection) => {
    const made = await connection.client.addToken({ roles, ttlSeconds: options.ttl, value: '', uses: options.uses });
    // Only to print a snippet that fits: a token may be made without the right to list proxies.
    const proxies = roles.includes('db')
      ? await connection.client.listResources({ kind: 'proxy_server' }).catch(() => undefined)
      : undefined;
    return { reply: made, proxy: textAt(parseJson(proxies?.resources[0]?.json ?? '{}'), 'spec', 'public_addr') };
  });
  const value = { token: reply.token, roles, expires: reply.expires, ca_pins: reply.caPins };
  await print(io, options.format, value, () => {
    const left = printDuration(Date.parse(reply.expires) - io.nowMs());
    const times = options.uses === 0 ? '' : `, ${options.uses === 1 ? 'once' : `${options.uses} times`}`;
    const snippets = roles.map((role) => snippet(role === 'proxy' ? 'proxy' : 'db', reply.token, reply.caPins, proxy));
    return [
      `Token for ${roles.join(', ')}, good for ${left}${times} (until ${printTime(reply.expires)}):\n`,
      `  ${reply.token}\n`,
      ...snippets,
      'Next, on the new machine: tessera start -c tessera.yaml',
    ].join('\n');
  });
}

/** Lists the join tokens. */
export async function listTokens(io: Io, globals: Globals, options: { readonly format: Format }): Promise<Outcome> {
  const tokens = await withAuth(io, globals, async (connection) => {
    const reply = await connection.client.listResources({ kind: 'token' });
    return reply.resources.map((resource) => parseJson(resource.json));
  });
  await print(io, options.format, tokens, () =>
    renderTable(
      [
        { title: 'Token' },
        { title: 'Type' },
        { title: 'Labels', shrink: true },
        { title: 'Uses Left' },
        { title: 'Expiry Time' },
      ],
      tokens.map((token) => [
        textAt(token, 'metadata', 'name'),
        listAt(token, 'spec', 'roles').join(', '),
        labelsAt(token, 'metadata', 'labels'),
        textAt(token, 'spec', 'uses_left'),
        printTime(textAt(token, 'metadata', 'expires')),
      ]),
      outputWidth(io),
    ),
  );
  if (options.format === 'text' && tokens.length === 0)
    tell(io, 'No token is open. Next: tessera tokens add --type=db');
}

/** Removes join tokens; services that joined with them stay. */
export async function removeTokens(io: Io, globals: Globals, names: readonly string[]): Promise<Outcome> {
  await withAuth(io, globals, async (connection) => {
    for (const name of names.flatMap(splitList)) {
      await connection.client.deleteResource({ kind: 'token', name });
      say(io, `Token ${name.slice(0, 6)}… was removed. Services that joined with it stay.`);
    }
  });
}

function snippet(role: 'db' | 'proxy', token: string, pins: readonly string[], proxy: string): string {
  const pin = pins.length === 1 ? pins[0] : `[${pins.join(', ')}]`;
  const head = ['version: v1', 'tessera:', `  join_token: ${token}`, `  ca_pin: ${pin}`];
  const rest =
    role === 'proxy'
      ? [
          '  auth_server: <auth machine>:3025',
          'proxy_service:',
          '  enabled: yes',
          '  public_addr: <public name>:3080',
          '  # for MySQL and MariaDB:',
          '  # mysql_listen_addr: 0.0.0.0:3036',
          '  # mysql_public_addr: <public name>:3036',
        ]
      : [
          `  proxy_server: ${proxy === '' ? '<public name>:3080' : proxy}`,
          'db_service:',
          '  enabled: yes',
          '  databases:',
          '    - name: orders',
          '      protocol: postgres      # or mysql, for MariaDB too',
          '      uri: localhost:5432',
        ];
  return [
    `tessera.yaml for a ${role === 'db' ? 'Database' : 'Proxy'} Service:\n`,
    ...[...head, ...rest].map((line) => `  ${line}`),
    '',
  ].join('\n');
}
