/** Clients that write numbered rows without pause and reconnect when cut: what is committed can be compared with what is recorded. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Person } from './person.ts';

export type DatabaseConfig = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

/** From `tsh db login` and `tsh db config`; certificates and key are PEM. */
export async function databaseConfig(
  person: Person,
  user: string,
  database: string,
  service = 'orders',
): Promise<DatabaseConfig> {
  const config = await databaseFiles(person, user, database, service);
  const read = (file: string): string => readFileSync(file, 'utf8');
  return { ...config, port: Number(config.port), ca: read(config.ca), cert: read(config.cert), key: read(config.key) };
}

/** The same, with `ca`, `cert` and `key` as paths. */
export async function databaseFiles(
  person: Person,
  user: string,
  database: string,
  service = 'orders',
): Promise<DatabaseConfig> {
  await person.tsh('db', 'login', service, `--db-user=${user}`, `--db-name=${database}`);
  const config = JSON.parse(await person.tsh('db', 'config', service, '--format=json')) as DatabaseConfig;
  return { ...config, port: Number(config.port) };
}

export async function openClient(config: DatabaseConfig, port = config.port): Promise<Client> {
  const client = new Client({
    host: config.host,
    port,
    user: config.user,
    database: config.database,
    connectionTimeoutMillis: 10_000,
    ssl: { ca: config.ca, cert: config.cert, key: config.key },
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** A connection that a writer writes through; the writer ends it. */
export type WriterClient = {
  /** Inserts (writer, n) into `written`; resolves when the database said that it is committed. */
  insert(writer: string, n: number): Promise<unknown>;
  end(): Promise<unknown>;
};

/** By prepared statements of the `pg` package. */
export async function openPostgresWriter(config: DatabaseConfig): Promise<WriterClient> {
  const client = await openClient(config);
  return {
    insert: (writer, n) =>
      client.query({
        name: 'insert',
        text: 'insert into written (writer, n) values ($1, $2)',
        values: [writer, n],
      }),
    end: () => client.end(),
  };
}

export type Writers = {
  /** Connections opened so far; stays equal to the number of writers while nothing is cut. */
  connects(): number;
  acknowledged(): number;
  stop(): Promise<void>;
};

/** Each writer inserts ("w<writer>", n) through what `open` gives it, n counting up and never used twice. */
export function startWriters(count: number, open: (writer: number) => Promise<WriterClient>): Writers {
  let running = true;
  let connects = 0;
  let acknowledged = 0;
  const loops = Array.from({ length: count }, async (_, writer) => {
    let n = 0;
    while (running) {
      let client: WriterClient | undefined;
      try {
        client = await open(writer);
        connects++;
        while (running) {
          n++;
          await client.insert(`w${writer}`, n);
          acknowledged++;
        }
      } catch {
        await sleep(50);
      } finally {
        await client?.end().catch(() => undefined);
      }
    }
  });
  return {
    connects: () => connects,
    acknowledged: () => acknowledged,
    async stop() {
      running = false;
      await Promise.all(loops);
    },
  };
}
