/** What clients of MySQL need of a person: paths and addresses of `tsh db login`, connections of mysql2. */
import { readFileSync } from 'node:fs';
import { createConnection, type Connection, type ConnectionOptions } from 'mysql2/promise';
import type { MysqlAddress } from './mysql-command.ts';
import type { WireAddress } from './mysql-wire.ts';
import type { Person } from './person.ts';
import type { WriterClient } from './writers.ts';

/** A route certificate for one database; without `databaseName` the session may change between all that the roles allow. Several routes of one person overwrite each other by service. */
export async function mysqlAddress(
  person: Person,
  service: string,
  user: string,
  databaseName?: string,
): Promise<MysqlAddress> {
  const name = databaseName === undefined ? [] : [`--db-name=${databaseName}`];
  await person.tsh('db', 'login', service, `--db-user=${user}`, ...name);
  const config = JSON.parse(await person.tsh('db', 'config', service, '--format=json')) as {
    port: string | number;
    user: string;
    database: string;
    ca: string;
    cert: string;
    key: string;
  };
  const { ca, cert, key } = config;
  return {
    port: Number(config.port),
    user,
    ...(databaseName === undefined ? {} : { database: databaseName }),
    ca,
    cert,
    key,
  };
}

/** A connection of mysql2 over TLS with the certificate; errors of a cut connection are left to its calls. */
export async function openMysql2(address: MysqlAddress, options: ConnectionOptions = {}): Promise<Connection> {
  const read = (file: string): string => readFileSync(file, 'utf8');
  const connection = await createConnection({
    host: 'localhost',
    port: address.port,
    user: address.user,
    ...(address.database === undefined ? {} : { database: address.database }),
    ssl: { ca: read(address.ca), cert: read(address.cert), key: read(address.key) },
    connectTimeout: 10_000,
    ...options,
  });
  connection.on('error', () => undefined);
  return connection;
}

export type MysqlWriterWay = 'text' | 'prepared';

/** For `startWriters`: values in the statement's text, or bound to a prepared one. */
export async function openMysqlWriter(address: MysqlAddress, way: MysqlWriterWay): Promise<WriterClient> {
  const connection = await openMysql2(address);
  const sql = 'insert into written (writer, n) values (?, ?)';
  return {
    insert: (writer, n) => (way === 'text' ? connection.query(sql, [writer, n]) : connection.execute(sql, [writer, n])),
    end: () => connection.end(),
  };
}

/** The same for a client by hand: the files' content. */
export function wireAddress(address: MysqlAddress): WireAddress {
  const read = (file: string): string => readFileSync(file, 'utf8');
  return { ...address, ca: read(address.ca), cert: read(address.cert), key: read(address.key) };
}
