import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { examineStatement, maxLeadingWords, type StatementOptions } from './statement.ts';

const mysql: StatementOptions = { noBackslashEscapes: false, flavour: 'mysql' };
const mariadb: StatementOptions = { noBackslashEscapes: false, flavour: 'mariadb' };

const examine = (sql: string | Buffer, options: Partial<StatementOptions> = {}): ReturnType<typeof examineStatement> =>
  examineStatement(typeof sql === 'string' ? Buffer.from(sql) : sql, { ...mysql, ...options });

/** Name, text, what it uses, and options when they matter. */
const USES: readonly (readonly [string, string | Buffer, readonly string[], Partial<StatementOptions>?])[] = [
  ['plain', 'use shop', ['shop']],
  ['any case', 'UsE Shop', ['Shop']],
  ['white space of all kinds', '\t\n\v\f\r use \r\n\t shop \n', ['shop']],
  ['terminated', 'use shop;', ['shop']],
  ['backquoted', 'use `shop`', ['shop']],
  ['backquoted without a space', 'use`shop`', ['shop']],
  ['a doubled backquote', 'use `a``b`', ['a`b']],
  ['quotes in a name are its own', 'use `a\'b"c`; use d', ['a\'b"c', 'd']],
  ['a backslash in a name hides nothing', 'use `a\\`; use b', ['a\\', 'b']],
  ['digits and dollars', 'use 1_db$x', ['1_db$x']],
  ['UTF-8', 'use bücher', ['bücher']],
  [
    'not UTF-8: one character a byte, and what MySQL cuts it to',
    Buffer.from('use b\xfccher', 'latin1'),
    ['b', 'bücher'],
  ],
  ['MySQL cuts a name before a character of four bytes', 'use a😀b; use `c``😀`', ['a', 'a😀b', 'c`', 'c`😀']],
  ['a no-break space of Latin-1 is white space', Buffer.from('\xa0use\xa0shop\xa0', 'latin1'), ['shop']],
  ['a byte 0xa0 within a UTF-8 character is not', 'use voilà', ['voilà']],
  ['ANSI quotes, not known', 'use "shop"', ['shop']],
  ['ANSI quotes, known', 'use "a""b"', ['a"b'], { ansiQuotes: true }],
  ['ANSI quotes, known not to be', 'use "shop"', [], { ansiQuotes: false }],
  ['a string is no name', "use 'shop'", []],
  ['after another statement', 'select 1; use other', ['other']],
  ['several, by where each is last', 'use a; use b; use a', ['b', 'a']],
  ['an empty statement between', ';; ;use a', ['a']],
  ['in a string', "select 'x; use other'", []],
  ['in a string with doubled quotes', "select 'it''s; use other'", []],
  ['in a string with an escaped quote', "select 'it\\'s; use other'", []],
  ['after an escaped backslash', "select 'it\\\\'; use other", ['other']],
  ['no escapes', "select 'it\\'; use other", ['other'], { noBackslashEscapes: true }],
  ['in double quotes', 'select "x; use other"', []],
  ['in double quotes after an escape, read the other way', 'select "x\\"; use other -- "', ['other']],
  ['in double quotes after an escape, known', 'select "x\\"; use other -- "', [], { ansiQuotes: false }],
  ['sql_mode changes on the way', "set sql_mode='no_backslash_escapes'; select 'x\\'; use other", ['other']],
  ['and back', "set SQL_MODE=''; select 'x\\'; use other -- '", ['other'], { noBackslashEscapes: true }],
  ['index hints', 'select * from t use index (a) use key (b)', []],
  ['an alias', 'select 1 as x; select 2 `use`, use_it from t', []],
  ['a comment before', '/* x */ use other', ['other']],
  ['a comment between', 'use/**/other', ['other']],
  ['comments of all kinds between', 'use # a\n -- b\n /* c */ other -- d', ['other']],
  ['a comment behind', 'use other/* x */', ['other']],
  ['within a comment', '/* use other */ select 1', []],
  ['behind a comment with a quote', "/* it's */ use other -- '", ['other']],
  ['comments do not nest', '/* a /* b */ use other', ['other']],
  ['a comment is not closed by its own asterisk', '/*/ use a; */ use b', ['b']],
  ['dashes and a space', '-- use a\nuse b', ['b']],
  ['dashes and a tab', "--\tuse a'\nuse b", ['b']],
  ['dashes and a newline', '--\nuse b', ['b']],
  ['dashes and a control character', "--\x01'\nuse b", ['b']],
  ['dashes and a delete character', "--\x7f'\nuse b", ['b']],
  ['dashes at the end', 'use b --', ['b']],
  ['dashes without a space are two signs', 'select 1--1; use other', ['other']],
  ['a carriage return ends no comment', '-- x\ruse a\nuse b', ['b']],
  ['hash', "#it's\nuse other", ['other']],
  ['a slash alone', 'select 4/2; use other', ['other']],
  ['an end mark alone', 'select 2 */* 3 */ 2; use other', ['other']],
  ['optimizer hints are comments', "select /*+ MAX_EXECUTION_TIME(1) `'*/ 1; use other -- '", ['other']],
  ['an executable comment', '/*! use other */', ['other']],
  ['an executable comment in pieces', 'us/**/e a; use /*! other */', ['other']],
  ['versioned', '/*!50003 use other */', ['other']],
  ['a version of the future', '/*!99999 use other */', ['other']],
  ['a version too old to matter', '/*!32302 use other */', ['other']],
  ['not a version', '/*!123 use other */', []],
  ['six digits', '/*!100100 use other */', ['other'], mariadb],
  ['a skipped comment hides a quote', "/*!99999 ' */ use other -- '", ['other']],
  ['one runs, the next is skipped', "/*!99999 ' */ /*!80017 use other */ # '", ['other']],
  ['a skipped comment with one inside', "/*!99999 /* ' */ ' */ use other -- '", ['other']],
  ['one inside is not closed by its own asterisk', "/*!99999 /*/ ' */ ' */ use other -- '", ['other']],
  ['the version is known: skipped', '/*!90000 use other */', ['other'], { version: 80_036 }],
  ['its content is told all the same, what it hides too', "/*!90000 ' */ use b -- '", ['b'], { version: 80_036 }],
  ['a sixth digit that is code', 'select /*!800001 */; use other', ['other']],
  ['a sixth digit that is not', '/*!080036use other */', ['other']],
  ["MariaDB's", '/*M! use other */', ['other'], mariadb],
  ["MariaDB's, versioned", '/*M!100100 use other */', ['other'], mariadb],
  ["MariaDB's in what says to be MySQL", '/*M!100100 use other */', ['other']],
  ["MySQL sees a comment in MariaDB's", "/*M! ' */ use other -- '", ['other']],
  ['MariaDB skips what is for MySQL 5.7', "/*!50701 ' */ use other -- '", ['other'], mariadb],
  ['an executable comment ends at the next end mark', '/*! select 1 */; use a */', ['a']],
  ['a comment in an executable one', "/*! use /* ' */ a */; use b", ['a', 'b']],
  ['a statement ends the executable comment', "/*! select 1; select 2 */* ' */ 3; use other -- '", ['other'], mariadb],
  ['but not in a body', "/*! begin select 1; */ ' ; use a '; use b", ['b']],
  ['where a multiplication follows', '/*! begin select 1; select 2 */* 3; use other', ['other']],
  ['an exponent without digits swallows the sign', 'select 1.5e-- 1; use other', ['other']],
  ['also after a point', 'select .5e+- 1; use other', ['other']],
  ['not in a name', "select a.5e-- '\n; use other", ['other']],
  ['not in a name behind a name', "select a.1.5e-- '\n; use other", ['other']],
  ['not in a name that begins like a hexadecimal number', "select 0x.5e-- '\n; use other", ['other']],
  ['not in a host', "select @a.5e-- '\n; use other", ['other']],
  ['not in a variable', "select @@a.5e-- '\n; use other", ['other']],
  ['not without a point', "select 5e-- '\n; use other", ['other']],
  ['after a hexadecimal number', 'select 0x1f.5e-- 1; use other', ['other']],
  ['two points are MariaDB operator', "select 1..5e-- '\n; use other", ['other'], mariadb],
  ['two points are two numbers to MySQL', 'select 1..5e-- 1; use other', ['other']],
  ['a bracketed name in MSSQL mode', "select 1 [']; use other -- ']", ['other'], mariadb],
  ['MySQL knows none', "select '[x]'; select 1 ['; use other ']", []],
  ['SET STATEMENT', 'set statement max_statement_time=1 for use other', ['other'], mariadb],
  ['SET STATEMENT twice', 'set statement a=1 for set statement b=2 for use other', ['other'], mariadb],
  ['FOR in an expression', "set statement a=substring('x' for 3), b=1 for use other", ['other'], mariadb],
  ['PREPARE is not looked into', "prepare s from 'use other'", []],
  ['EXECUTE IMMEDIATE is not looked into', "execute immediate 'use other'", [], mariadb],
  [
    'GBK: the second byte of a character is no backslash',
    Buffer.from("select '\x81\\'; use other -- '", 'latin1'),
    ['other'],
    { trailingBytes: true },
  ],
  ['UTF-8 or Latin-1: it is', Buffer.from("select '\x81\\'; use other -- '", 'latin1'), [], { trailingBytes: false }],
  ['GBK may come by SET NAMES', Buffer.from("select '\x81\\'; use other -- '", 'latin1'), ['other']],
  [
    'Shift-JIS in a name',
    Buffer.from('use `a\x83\x60`; use b', 'latin1'),
    ['a', 'a\x83\x60', 'b'],
    { trailingBytes: true },
  ],
  [
    'Shift-JIS: a half-width letter has one byte',
    Buffer.from("select '\xb1\\\\'; use other", 'latin1'),
    ['other'],
    { trailingBytes: true },
  ],
  ['nothing', '', []],
  ['use of nothing', 'use', []],
  ['use of a number', 'use 5', ['5']],
];

for (const [name, sql, uses, options] of USES)
  test(`mysql statement: use, ${name}`, () =>
    assert.deepEqual([...examine(sql, options).uses].toSorted(), [...uses].toSorted()));

test('mysql statement: the last USE is told last, whatever other readings say', () => {
  assert.deepEqual(examine('use a; use b; use a').uses, ['b', 'a']);
  assert.deepEqual(examine('use a; select "\\"; use c -- ";\nuse b').uses, ['c', 'a', 'b']);
});

test('mysql statement: kill', () => {
  const rows: readonly (readonly [string, string, object | undefined])[] = [
    ['plain', 'kill 17', { shownStart: 5, shownEnd: 7, id: 17, what: 'connection', only: true }],
    ['terminated', ' KILL 17 ; ', { shownStart: 6, shownEnd: 8, id: 17, what: 'connection', only: true }],
    ['query', 'KILL QUERY 1073741825', { shownStart: 11, shownEnd: 21, id: 1_073_741_825, what: 'query', only: true }],
    ['connection', 'kill connection 1', { shownStart: 16, shownEnd: 17, id: 1, what: 'connection', only: true }],
    ['hard query', 'kill hard query 1', { shownStart: 16, shownEnd: 17, id: 1, what: 'query', only: true }],
    ['soft', 'kill soft 12', { shownStart: 10, shownEnd: 12, id: 12, what: 'connection', only: true }],
    ['comments', '/* a */ kill/**/query -- x\n5#', { shownStart: 27, shownEnd: 28, id: 5, what: 'query', only: true }],
    ['leading zeros', 'kill 007', { shownStart: 5, shownEnd: 8, id: 7, what: 'connection', only: true }],
    ['not alone', 'select 1; kill 5', { shownStart: 15, shownEnd: 16, id: 5, what: 'connection', only: false }],
    ['the first', 'kill 5; kill 6', { shownStart: 5, shownEnd: 6, id: 5, what: 'connection', only: false }],
    [
      'within SET STATEMENT',
      'set statement a=1 for kill 5',
      { shownStart: 27, shownEnd: 28, id: 5, what: 'connection', only: false },
    ],
    [
      'executable in every reading',
      'kill /*!50003 query */ 5',
      { shownStart: 23, shownEnd: 24, id: 5, what: 'query', only: true },
    ],
    ['executable in some', 'kill /*!80016 query */ 5', undefined],
    ['a query by its id', 'kill query id 5', undefined],
    ['a user', "kill user 'alice'", undefined],
    ['an expression', 'kill 5 + 1', undefined],
    ['a call', 'kill connection_id()', undefined],
    ['in parentheses', 'kill (5)', undefined],
    ['hexadecimal', 'kill 0x10', undefined],
    ['a fraction', 'kill 5.0', undefined],
    ['a name', 'kill 5a', undefined],
    ['a string', "kill '5'", undefined],
    ['impossibly large', 'kill 99999999999999999999', undefined],
    ['in a string', "select 'kill 5'", undefined],
  ];
  for (const [name, sql, kill] of rows) assert.deepEqual(examine(sql).kill, kill, name);
});

test('mysql statement: load local', () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ["load data local infile 'x' into table t", true],
    ["LOAD DATA LOW_PRIORITY LOCAL INFILE 'x' INTO TABLE t", true],
    ["load xml concurrent local infile 'x' into table t", true],
    ["load/**/data/*!local*/infile 'x' into table t", true],
    ["load data from local infile 'x' into table t", true],
    ["load data /*!99999 local */ infile 'x' into table t", true],
    ["select 1; load data local infile 'x' into table t", true],
    ["load data infile 'local' into table local", false],
    ["select 'load data local infile'", false],
    ['load index into cache t', false],
  ];
  for (const [sql, local] of rows) assert.equal(examine(sql).loadsLocal, local, sql);
});

test('mysql statement: statements are counted and their first words told', () => {
  const facts = examine('select 1; ;(Select 2) ; -- x\n insert into t values (1);');
  assert.deepEqual([facts.statementCount, facts.leadingWords], [3, ['SELECT', 'SELECT', 'INSERT']]);
  const many = examine('do 1;'.repeat(1000));
  assert.deepEqual([many.statementCount, many.leadingWords.length], [1000, maxLeadingWords]);
});

test('mysql statement: complete or cut', () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ['select 1', true],
    ['select 1 -- x', true],
    ["select 'x", false],
    ["select 'x\\", false],
    ['select "x', false],
    ['select `x', false],
    ['select 1 /* x', false],
    ['select 1 /*! x', false],
    ['select 1 /*!99999 /* */ x', false],
    ["select 'x''", false],
  ];
  for (const [sql, complete] of rows) assert.equal(examine(sql).complete, complete, sql);
  const versions = Array.from({ length: 40 }, (_, index) => `/*!${80_000 + index} */`).join('');
  assert.equal(examine(versions).complete, false, 'more versions than are looked at');
});

test('mysql statement: any bytes are read without an error, and a prefix tells no more uses than are there', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.boolean(),
      fc.boolean(),
      (bytes, noBackslashEscapes, trailingBytes) => {
        const facts = examineStatement(bytes, { noBackslashEscapes, trailingBytes, flavour: 'mariadb' });
        assert.ok(facts.uses.length <= bytes.length / 4);
        assert.ok(facts.leadingWords.length <= facts.statementCount);
      },
    ),
    { numRuns: 2000 },
  );
});

test('mysql statement: what may end the reports of the default database', () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ['set session_track_schema=off', true],
    ['SET @@SESSION . `Session_Track_Schema` = 0', true],
    ['set @@local.session_track_schema=0', true],
    ['select 1; /*!50000 set */ session_track_schema=0', true],
    // MySQL 9 takes these for the same name.
    ['set sessión_track_schema=off', true],
    ['set `sessi|n_track_schema`=off', true],
    ["prepare s from 'set session_track_schema=0'", true],
    ["execute immediate 'set session_track_schema=0'", true],
    ['create procedure p() set session_track_schema=0', true],
    ['set statement session_track_schema=0 for do 1', true],
    ['select @@session_track_schema', false],
    ["show variables like 'session_track_schema'", false],
    ["insert into notes values ('session_track_schema')", false],
    ['set session_track_state_change=1, session_track_system_variables=1', false],
  ];
  for (const [sql, told] of rows) assert.equal(examine(sql, mariadb).changesTracking, told, sql);
  const symbols = `set @a = '${'%'.repeat(250_000)}'`;
  const start = performance.now();
  assert.equal(examine(symbols).changesTracking, false);
  assert.ok(performance.now() - start < 2000, 'took too long');
});

test('mysql statement: what may run SQL that is not in it', () => {
  const unseen = [
    'call p()',
    'execute s',
    "execute immediate concat('us', 'e a')",
    'begin not atomic call p(); end',
    'set statement max_statement_time=1 for execute s',
    'if 1 then call p(); end if',
    'l: loop leave l; end loop',
    '<<l>> begin null; end',
    '/*M!100000 call p() */',
  ];
  for (const sql of unseen) assert.equal(examine(sql, mariadb).runsUnseen, true, sql);
  const plain = [
    'select 1; begin; commit',
    'begin work',
    '(select 1)',
    'set @a=1',
    "prepare s from 'do 1'",
    'insert a',
    'xa end 1',
    '',
  ];
  for (const sql of plain) assert.equal(examine(sql, mariadb).runsUnseen, false, sql);
});
