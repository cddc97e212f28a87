/** Stands in for psql where there is none: one statement through the service file that `tsh db login` wrote. */
import { readFileSync } from 'node:fs';
import { Client } from 'pg';

const [connection = '', sql = ''] = process.argv.slice(2);
const wanted = Object.fromEntries(connection.split(' ').map((pair) => pair.split('=') as [string, string]));
const section = new Map<string, string>();
let inside = false;
for (const line of readFileSync(process.env['PGSERVICEFILE'] ?? '', 'utf8').split('\n')) {
  if (line.startsWith('[')) inside = line.trim() === `[${wanted['service']}]`;
  else if (inside && line.includes('='))
    section.set(line.slice(0, line.indexOf('=')).trim(), line.slice(line.indexOf('=') + 1).trim());
}
const file = (name: string): string => readFileSync(section.get(name) ?? '', 'utf8');
const client = new Client({
  host: section.get('host') ?? 'localhost',
  port: Number(section.get('port')),
  user: wanted['user'] ?? section.get('user') ?? '',
  database: wanted['dbname'] ?? section.get('dbname') ?? '',
  ssl: { ca: file('sslrootcert'), cert: file('sslcert'), key: file('sslkey') },
});
client.on('error', () => undefined);
try {
  await client.connect();
  const { rows, command, rowCount } = await client.query<Record<string, unknown>>(sql);
  console.table(rows);
  console.log(`${command} ${rowCount ?? ''}`);
} catch (error) {
  const { severity = 'ERROR', message, hint } = error as { severity?: string; message: string; hint?: string };
  console.error(`${severity}: ${message}${hint === undefined ? '' : `\nHINT: ${hint}`}`);
  process.exitCode = 1;
} finally {
  await client.end().catch(() => undefined);
}
