/**
 * Names of users and databases are authorized as text and reach the server as UTF-8 bytes, which it reads in the character set of the handshake and cuts at its own
 * limits. What it would take for another name than was authorized must not get there.
 */

/**
 * May a client speak in this collation at all? Servers end the handshake for one whose characters are wide (ucs2, utf16, utf16le, utf32) or that is for file names, and count it
 * against the agent's host: after `max_connect_errors` (100) of them they let nobody of it in. `collation`: the low byte that a handshake has room for.
 */
export function isClientCollation(collation: number): boolean {
  return !wideOrForFiles.some(([first, last]) => collation >= first && collation <= last);
}

/** Does a server that reads the UTF-8 bytes of `name` in the character set of this collation see the same name? `collation`: the low byte that a handshake has room for. */
export function meansItself(name: string, collation: number): boolean {
  // Names are utf8mb3 in every server, which makes a question mark of each longer character.
  if (isUtf8(collation)) return !/[\u{10000}-\u{10ffff}]/u.test(name);
  if (!/^[\x20-\x7e]*$/.test(name)) return false;
  // sjis has a wide backslash there.
  if (sjis.includes(collation) && name.includes('\\')) return false;
  // swe7 has Swedish letters where ASCII has these.
  return !(swe7.includes(collation) && /[@[\\\]^`{|}~]/.test(name));
}

/**
 * What a server of this flavour would make of names that were authorized: undefined, or what is wrong with them. Longer names are cut by the server before it looks them up; two collations are not
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
  if (flavour === 'mariadb' && mysqlAlone.includes(charset) && !/^[\x20-\x7e]*$/.test(user + databaseName))
    return `MariaDB does not know MySQL's collation ${charset}: choose another one, or names in plain ASCII`;
  return undefined;
}

const maxUserChars = { mysql: 32, mariadb: 128 } as const;
const maxDatabaseChars = 64;
const utf8mb4Uca900 = 255;
const utf8mb3TolowerCi = 76;
const mysqlAlone = [utf8mb4Uca900, utf8mb3TolowerCi];
const swe7 = [10, 82];
const sjis = [13, 88];
/** From and to, in MySQL and MariaDB; numbers that one of them does not have are nobody's choice. */
const wideOrForFiles: readonly (readonly [number, number])[] = [
  [17, 17],
  [35, 35],
  [54, 56],
  [60, 62],
  [90, 90],
  [101, 124],
  [128, 151],
  [159, 183],
];

/** Collations of utf8mb3 and utf8mb4 with numbers of one byte, in MySQL or MariaDB. https://dev.mysql.com/doc/refman/9.0/en/charset-charsets.html (SHOW COLLATION) */
function isUtf8(collation: number): boolean {
  return (
    [33, 45, 46, utf8mb3TolowerCi, 83, 223, utf8mb4Uca900].includes(collation) ||
    (collation >= 192 && collation <= 215) ||
    (collation >= 224 && collation <= 247)
  );
}
