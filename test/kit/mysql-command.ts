/** Command lines of MySQL's and MariaDB's own clients over TLS with a client certificate. */
import { join } from 'node:path';
import type { MysqlBinaries } from '../servers/mysql-binaries.ts';
import { runCommand, type Output, type RunOptions } from './command.ts';

export type MysqlAddress = {
  readonly port: number;
  readonly user: string;
  readonly database?: string;
  /** Paths of PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

/** Options that `mysql`, `mysqldump`, `mysqlslap` and `mysqladmin` of this flavour share: no option files, TCP to localhost, the server's certificate verified. Database names come after. */
export function mysqlArguments(binaries: MysqlBinaries, address: MysqlAddress): string[] {
  const verify = binaries.flavour === 'mysql' ? ['--ssl-mode=VERIFY_IDENTITY'] : ['--ssl', '--ssl-verify-server-cert'];
  return [
    '--no-defaults',
    '--protocol=TCP',
    '--host=localhost',
    `--port=${address.port}`,
    `--user=${address.user}`,
    `--ssl-ca=${address.ca}`,
    `--ssl-cert=${address.cert}`,
    `--ssl-key=${address.key}`,
    ...verify,
  ];
}

/** Statements through `mysql` or `mariadb`: rows as lines, columns by tabs, no heading. Resolves whatever the exit code. */
export function mysqlCommand(
  binaries: MysqlBinaries,
  address: MysqlAddress,
  sql: string,
  options: RunOptions & { readonly args?: readonly string[] } = {},
): Promise<Output> {
  const shape = ['--default-character-set=utf8mb4', '--batch', '--skip-column-names', ...(options.args ?? [])];
  const database = address.database === undefined ? [] : [address.database];
  return runCommand(
    join(binaries.bin, binaries.client),
    [...mysqlArguments(binaries, address), ...shape, ...database],
    { ...options, input: sql },
  );
}
