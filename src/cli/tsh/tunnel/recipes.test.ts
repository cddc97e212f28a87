import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recipeLines, recipesFor } from './recipes.ts';

const rows = [
  {
    name: 'postgres',
    protocol: 'postgres',
    at: { host: '127.0.0.1', port: 15432, user: 'reader', database: 'shop' },
    want: [
      ['psql', "psql 'postgresql://reader@127.0.0.1:15432/shop?sslmode=disable'"],
      ['JDBC postgresql', 'jdbc:postgresql://127.0.0.1:15432/shop?user=reader&sslmode=disable'],
      ['DSN uri', 'postgresql://reader@127.0.0.1:15432/shop?sslmode=disable'],
      ['DSN libpq', 'host=127.0.0.1 port=15432 user=reader dbname=shop sslmode=disable'],
    ],
  },
  {
    name: 'postgres, names with everything in them, IPv6',
    protocol: 'postgres',
    at: { host: '::1', port: 1, user: "o'neil@x", database: 'a b' },
    want: [
      ['psql', "psql 'postgresql://o'\\''neil%40x@[::1]:1/a%20b?sslmode=disable'"],
      ['JDBC postgresql', "jdbc:postgresql://[::1]:1/a%20b?user=o'neil%40x&sslmode=disable"],
      ['DSN uri', "postgresql://o'neil%40x@[::1]:1/a%20b?sslmode=disable"],
      ['DSN libpq', "host=::1 port=1 user='o\\'neil@x' dbname='a b' sslmode=disable"],
    ],
  },
  {
    name: 'mysql',
    protocol: 'mysql',
    at: { host: '127.0.0.1', port: 13306, user: 'reader', database: 'shop' },
    want: [
      ['mysql', 'mysql --protocol=TCP --host=127.0.0.1 --port=13306 --user=reader --database=shop --ssl-mode=DISABLED'],
      ['mariadb', 'mariadb --protocol=TCP --host=127.0.0.1 --port=13306 --user=reader --database=shop --skip-ssl'],
      ['JDBC mysql', 'jdbc:mysql://127.0.0.1:13306/shop?user=reader&sslMode=DISABLED'],
      ['JDBC mariadb', 'jdbc:mariadb://127.0.0.1:13306/shop?user=reader&sslMode=disable'],
      ['DSN uri', 'mysql://reader@127.0.0.1:13306/shop'],
      ['DSN go', 'reader@tcp(127.0.0.1:13306)/shop'],
    ],
  },
  {
    name: 'mysql without a database',
    protocol: 'mysql',
    at: { host: '127.0.0.1', port: 13306, user: 'reader', database: '' },
    want: [
      ['mysql', 'mysql --protocol=TCP --host=127.0.0.1 --port=13306 --user=reader --ssl-mode=DISABLED'],
      ['mariadb', 'mariadb --protocol=TCP --host=127.0.0.1 --port=13306 --user=reader --skip-ssl'],
      ['JDBC mysql', 'jdbc:mysql://127.0.0.1:13306/?user=reader&sslMode=DISABLED'],
      ['JDBC mariadb', 'jdbc:mariadb://127.0.0.1:13306/?user=reader&sslMode=disable'],
      ['DSN uri', 'mysql://reader@127.0.0.1:13306/'],
      ['DSN go', 'reader@tcp(127.0.0.1:13306)/'],
    ],
  },
];
for (const row of rows) {
  test(`what is pasted into clients: ${row.name}`, () => {
    assert.deepEqual(recipeLines(recipesFor(row.protocol, row.at)), row.want);
  });
}
