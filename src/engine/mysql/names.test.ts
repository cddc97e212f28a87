import assert from 'node:assert/strict';
import { test } from 'node:test';

import { misreadBy } from './names.ts';

const rows = [
  {
    name: 'a plain name in a collation that is not MariaDB’s',
    flavour: 'mariadb',
    user: 'reader',
    charset: 255,
    misread: false,
  },
  { name: 'another one in utf8mb4_0900_ai_ci', flavour: 'mariadb', user: 'jörg', charset: 255, misread: true },
  { name: 'another one in utf8mb3_tolower_ci', flavour: 'mariadb', user: 'jörg', charset: 76, misread: true },
  { name: 'MySQL has that one', flavour: 'mysql', user: 'jörg', charset: 76, misread: false },
  { name: 'a user that MySQL would cut', flavour: 'mysql', user: 'u'.repeat(33), charset: 45, misread: true },
  { name: 'MariaDB would not', flavour: 'mariadb', user: 'u'.repeat(33), charset: 45, misread: false },
  { name: 'a user that MariaDB would cut', flavour: 'mariadb', user: 'u'.repeat(129), charset: 45, misread: true },
] as const;

for (const { name, flavour, user, charset, misread } of rows) {
  test(`names: ${name}`, () => {
    assert.equal(misreadBy(flavour, { user, databaseName: '', charset }) !== undefined, misread);
  });
}
