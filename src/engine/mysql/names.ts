/**
 * Names of users and databases are authorized as text and reach the server as UTF-8 bytes, which it reads in the character set of the handshake and cuts at its own
 * limits. What it would take for another name than was authorized must not get there.
 */

/** Does a server that reads the UTF-8 bytes of `name` in the character set of this collation see the same name? `collation`: the low byte that a handshake has room for. */
export function meansItself(name: string, collation: number): boolean {
  if (isUtf8(collation)) return true;
  if (!/^[\x20-\x7e]*$/.test(name)) return false;
  // swe7 has Swedish letters where ASCII has these.
  return !(swe7.includes(collation) && /[@[\\\]^`{|}~]/.test(name));
}

/**
 * What a server of this flavour would make of names that were authorized: undefined, or what is wrong with them. Longer names are cut by the server before it looks them up; collation 255 is not
 * MariaDB's, so it would read in its default character set.
 */
export function misreadBy(
  flavour: 'mysql' | 'mariadb',
  names: { readonly user: string; readonly databaseName: string; readonly charset: number },
): string | undefined {
  const maxUser = maxUserChars[flavour];
  const { user, databaseName, charset } = names;
  if (Array.from(user).length > maxUser)
    return `the database user has more than the ${maxUser} characters that the server looks at`;
  if (Array.from(databaseName).length > maxDatabaseChars)
    return `the database name has more than the ${maxDatabaseChars} characters that the server looks at`;
  if (flavour === 'mariadb' && charset === utf8mb4Uca900 && !/^[\x20-\x7e]*$/.test(user + databaseName))
    return 'MariaDB does not know the collation utf8mb4_0900_ai_ci: choose another one, or names in plain ASCII';
  return undefined;
}

const maxUserChars = { mysql: 32, mariadb: 128 } as const;
const maxDatabaseChars = 64;
const utf8mb4Uca900 = 255;
const swe7 = [10, 82];

/** Collations of utf8mb3 and utf8mb4 with numbers of one byte, in MySQL or MariaDB. https://dev.mysql.com/doc/refman/9.0/en/charset-charsets.html (SHOW COLLATION) */
function isUtf8(collation: number): boolean {
  return (
    [33, 45, 46, 76, 83, 223, utf8mb4Uca900].includes(collation) ||
    (collation >= 192 && collation <= 215) ||
    (collation >= 224 && collation <= 247)
  );
}
