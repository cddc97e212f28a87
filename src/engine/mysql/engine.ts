import type { Engine } from '../engine.ts';
import { acceptMysql } from './accept.ts';
import { admitMysql } from './admit.ts';
import { connectMysql } from './connect.ts';
import { mysqlServerFirst } from './greet.ts';
import { checkMysql } from './health.ts';
import { refuseMysql } from './refuse.ts';
import { relayMysql } from './relay.ts';

/** MySQL and MariaDB. */
export const mysqlEngine: Engine = {
  protocol: 'mysql',
  accept: acceptMysql,
  serverFirst: mysqlServerFirst,
  refuse: refuseMysql,
  connect: connectMysql,
  admit: (client, request, database, handles) =>
    Promise.resolve().then(() => admitMysql(client, request, database, handles)),
  relay: relayMysql,
  // Clients stop a statement by KILL in a session of its own: there is no packet for it.
  cancel: () => Promise.resolve('malformed'),
  checkHealth: checkMysql,
};
