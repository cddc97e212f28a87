/** Commands of tsh as people paste them into a shell. */

/** Signs in the terminal. `address` is the proxy's "host:port"; the port 443 needs no saying. `pin` where no public authority vouches for the proxy. Who signs in at a provider is asked for no name here. */
export function loginCommand(
  address: string,
  who: { readonly user: string; readonly connector: string },
  pin?: string,
): string {
  const known = pin === undefined ? '' : ` --ca-pin=${shellWord(pin)}`;
  const way = who.connector === '' ? `--user=${shellWord(who.user)}` : `--auth=${shellWord(who.connector)}`;
  return `tsh login --proxy=${shellWord(address.replace(/:443$/, ''))} ${way}${known}`;
}

/** Connects with the database's own client. A user or name is said only where the roles leave a choice that tsh could not make by itself; in capitals where the person must fill it in. */
export function connectCommand(database: string, users: readonly string[], names: readonly string[]): string {
  const flags = [flag('--db-user', 'USER', users), flag('--db-name', 'NAME', names)].filter((text) => text !== '');
  return ['tsh db connect', shellWord(database), ...flags].join(' ');
}

/** Why no command would connect: the roles give no database user, or no name where one is needed (MySQL opens without). Empty: nothing is missing. */
export function nothingToConnectAs(protocol: string, users: readonly string[], names: readonly string[]): string {
  if (users.length === 0) return 'Your roles give you no database user here. Ask an administrator for one.';
  if (names.length === 0 && protocol !== 'mysql')
    return 'Your roles give you no database name here. Ask an administrator for one.';
  return '';
}

function flag(name: string, placeholder: string, allowed: readonly string[]): string {
  // Only where none is needed.
  if (allowed.length === 0) return '';
  const concrete = allowed.find((value) => !/[*^$]/.test(value));
  if (allowed.length === 1 && concrete !== undefined) return '';
  return `${name}=${concrete === undefined ? placeholder : shellWord(concrete)}`;
}

/** A text as one word of a POSIX shell (section 2.2): quoted unless it is plain. Names come from people, and what is pasted into a shell is run. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

export type DatabaseWords = { readonly name: string; readonly protocol: string; readonly description: string };

/** The few words of a "db" document (JSON) that a card shows; empty texts where it says nothing. */
export function describeDatabase(json: string): DatabaseWords {
  const document = JSON.parse(json) as {
    readonly metadata?: { readonly name?: string; readonly description?: string };
    readonly spec?: { readonly protocol?: string };
  };
  return {
    name: document.metadata?.name ?? '',
    protocol: document.spec?.protocol ?? '',
    description: document.metadata?.description ?? '',
  };
}
