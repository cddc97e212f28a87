import type { Engine } from '../engine.ts';
import { acceptPostgres } from './accept.ts';
import { admitPostgres } from './admit.ts';
import { cancelPostgres } from './cancel.ts';
import { connectPostgres } from './connect.ts';
import { checkPostgres } from './health.ts';
import { refusePostgres } from './refuse.ts';
import { relayPostgres } from './relay.ts';

/** PostgreSQL, protocol 3.0 and 3.2. */
export const postgresEngine: Engine = {
  protocol: 'postgres',
  accept: acceptPostgres,
  refuse: (client, _request, refusal) => refusePostgres(client, refusal),
  connect: connectPostgres,
  admit: (client, request, database, handles) =>
    Promise.resolve().then(() => admitPostgres(client, request, database, handles.keys)),
  relay: relayPostgres,
  cancel: cancelPostgres,
  checkHealth: checkPostgres,
};
