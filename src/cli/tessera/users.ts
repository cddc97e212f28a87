import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import type { Outcome } from '../command.ts';
import { splitList } from '../command.ts';
import { printDuration, printTime } from '../duration.ts';
import { failureCode, UsageError } from '../failure.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth, say, tell } from '../io.ts';
import { renderTable } from '../table.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';
import { at, listAt, parseJson, textAt } from './json.ts';

export type AddUserOptions = {
  readonly roles: readonly string[];
  readonly dbUsers?: readonly string[] | undefined;
  readonly dbNames?: readonly string[] | undefined;
  readonly ttl: number;
};

/** Creates a user and prints the invitation link. */
export async function addUser(io: Io, globals: Globals, name: string, options: AddUserOptions): Promise<Outcome> {
  await withAuth(io, globals, async (connection) => {
    const user = {
      kind: 'user',
      version: 'v2',
      metadata: { name },
      spec: { roles: options.roles, traits: { db_users: options.dbUsers ?? [], db_names: options.dbNames ?? [] } },
    };
    const reply = await connection.client.addUser({ json: JSON.stringify(user), ttlSeconds: options.ttl });
    const pins = await caPins(connection);
    say(
      io,
      `User ${name} was created, with ${options.roles.length === 1 ? 'role' : 'roles'} ${options.roles.join(', ')}, but must set a password first.`,
    );
    sayLink(io, { link: reply.link, token: reply.inviteToken, expires: reply.expires, kind: 'invite', pins });
  });
}

/** Takes a user's password and one-time code away and prints the link that sets new ones. */
export async function resetUser(
  io: Io,
  globals: Globals,
  name: string,
  options: { readonly ttl: number },
): Promise<Outcome> {
  await withAuth(io, globals, async (connection) => {
    const reply = await connection.client.resetUser({ user: name, ttlSeconds: options.ttl });
    const pins = await caPins(connection);
    say(io, `Password and second factors of ${name} were reset, and browsers signed out.`);
    sayLink(io, { link: reply.link, token: reply.resetToken, expires: reply.expires, kind: 'reset', pins });
  });
}

/** Lists the users. */
export async function listUsers(io: Io, globals: Globals, options: { readonly format: Format }): Promise<Outcome> {
  const users = await withAuth(io, globals, async (connection) => {
    const reply = await connection.client.listResources({ kind: 'user' });
    return reply.resources.map((resource) => parseJson(resource.json));
  });
  await print(io, options.format, users, () =>
    renderTable(
      [
        { title: 'User' },
        { title: 'Roles', shrink: true },
        { title: 'Database Users', shrink: true },
        { title: 'Database Names', shrink: true },
        { title: 'Status' },
      ],
      users.map((user) => [
        textAt(user, 'metadata', 'name'),
        listAt(user, 'spec', 'roles').join(', '),
        listAt(user, 'spec', 'traits', 'db_users').join(', '),
        listAt(user, 'spec', 'traits', 'db_names').join(', '),
        at(user, 'spec', 'status', 'is_locked') === true
          ? `sign-in locked until ${printTime(textAt(user, 'spec', 'status', 'lock_expires'))}`
          : '',
      ]),
      outputWidth(io),
    ),
  );
  if (options.format === 'text' && users.length === 0)
    tell(io, 'No users yet. Next: tessera users add <name> --roles=access');
}

export type UpdateUserOptions = {
  readonly setRoles?: readonly string[] | undefined;
  readonly setDbUsers?: string | undefined;
  readonly setDbNames?: string | undefined;
};

/** Replaces roles or traits of a user. A change by somebody else in between is read again, not overwritten. */
export async function updateUser(io: Io, globals: Globals, name: string, options: UpdateUserOptions): Promise<Outcome> {
  if (Object.values(options).every((value) => value === undefined)) {
    throw new UsageError('what is to change? --set-roles, --set-db-users, --set-db-names');
  }
  await withAuth(io, globals, async (connection) => {
    for (let attempt = 1; ; attempt += 1) {
      const { resource } = await connection.client.getResource({ kind: 'user', name });
      const json = JSON.stringify(changed(parseJson(resource?.json ?? '{}'), options));
      try {
        await connection.client.putResource({
          json,
          mode: PutResourceRequest_Mode.UPDATE,
          expectedRevision: resource?.revision ?? 0n,
        });
        break;
      } catch (error) {
        if (failureCode(error) !== 'aborted' || attempt >= MAX_ATTEMPTS) throw error;
      }
    }
  });
  say(io, `User ${name} was changed. It holds from the next sign-in or database login on.`);
  say(io, `Next: tessera get user/${name}`);
}

/** Removes users. Their certificates end with their locks or by themselves. */
export async function removeUsers(io: Io, globals: Globals, names: readonly string[]): Promise<Outcome> {
  await withAuth(io, globals, async (connection) => {
    for (const name of names.flatMap(splitList)) {
      await connection.client.deleteResource({ kind: 'user', name });
      say(io, `User ${name} was removed. A certificate that is out ends at once with: tessera lock --user=${name}`);
    }
  });
}

function changed(user: unknown, options: UpdateUserOptions): unknown {
  const traits = {
    ...objectAt(user, 'spec', 'traits'),
    ...(options.setDbUsers === undefined ? {} : { db_users: splitList(options.setDbUsers) }),
    ...(options.setDbNames === undefined ? {} : { db_names: splitList(options.setDbNames) }),
  };
  return {
    ...objectAt(user),
    spec: { ...objectAt(user, 'spec'), ...(options.setRoles === undefined ? {} : { roles: options.setRoles }), traits },
  };
}

function objectAt(value: unknown, ...path: readonly string[]): object {
  const found = at(value, ...path);
  return typeof found === 'object' && found !== null ? found : {};
}

async function caPins(connection: AuthConnection): Promise<readonly string[]> {
  return (await connection.client.ping({})).caPins;
}

function sayLink(
  io: Io,
  of: {
    readonly link: string;
    readonly token: string;
    readonly expires: string;
    readonly kind: 'invite' | 'reset';
    readonly pins: readonly string[];
  },
): void {
  const link = of.link === '' ? `https://<proxy>/web/${of.kind}/${of.token}` : of.link;
  const left = Date.parse(of.expires) - io.nowMs();
  say(
    io,
    `The link is good once, for ${printDuration(left)} (until ${printTime(of.expires)}); send it to nobody else:\n`,
  );
  say(io, `  ${link}\n`);
  if (of.link === '') tell(io, 'No proxy is up: put its public address in place of <proxy>.');
  say(
    io,
    `Next, in that person's browser, or on their machine:\n\n  tsh invite '${link}'${of.pins.map((pin) => ` --ca-pin=${pin}`).join('')}`,
  );
}

const MAX_ATTEMPTS = 5;
