import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from './duration.ts';
import { nearest } from './nearest.ts';
import { compilePattern, surroundedPattern } from './pattern.ts';
import { maxPredicateDepth, parsePredicate } from './predicate.ts';

test('durations', () => {
  const rows = [
    ['8h', 28_800_000],
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['30h0m0s', 108_000_000],
    ['500ms', 500],
    ['2d', 172_800_000],
    ['0s', 0],
    ['0', 0],
  ] as const;
  for (const [text, ms] of rows) assert.equal(parseDuration(text), ms, text);
  for (const text of ['', '8', '8 h', 'h', '-1h', '1h1h', '30m1h', '1.5h', '1w', '999999999999d'])
    assert.equal(parseDuration(text), undefined, text);
  fc.assert(fc.property(fc.nat(), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)));
});

test('patterns', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['*', '', true],
    ['a', 'a', true],
    ['a', 'ab', false],
    ['a*', 'a', true],
    ['a*', 'ba', false],
    ['*a*', 'xay', true],
    ['a*a', 'a', false],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxc', false],
    ['a.c', 'abc', false],
    ['^a.c$', 'abc', true],
    ['^a$', 'a\n', false],
    ['^a', 'ab', false],
    ['^a', '^a', true],
    ['^(?i)ABC$', 'abc', true],
    ['^($', '^($', false],
  ];
  for (const [pattern, text, want] of rows)
    assert.equal(compilePattern(pattern).matches(text), want, `${pattern} ${JSON.stringify(text)}`);
  assert.equal(compilePattern('^($').kind, 'invalid');
  assert.equal(compilePattern(`^${'a'.repeat(2000)}$`).kind, 'invalid');
});

test('globs agree with regular expressions', () => {
  const glob = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 6 }).map((parts) => parts.join(''));
  const text = fc.array(fc.constantFrom('a', 'b'), { maxLength: 8 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(glob, text, (pattern, value) =>
      assert.equal(
        compilePattern(pattern).matches(value),
        new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(value),
      ),
    ),
  );
});

test('a surrounded value stands for itself', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), (value) => {
      for (const [before, after] of [
        ['p-', ''],
        ['', '-s'],
        ['*', ''],
        ['^x', 'y$'],
      ] as const) {
        const pattern = surroundedPattern(before, value, after);
        const plain = `${before.replaceAll(/[*^]/g, '')}${value}${after.replaceAll('$', '')}`;
        assert.ok(pattern.matches(plain), `${before} ${JSON.stringify(value)}`);
        // With a star before, what ends in the value matches as well.
        assert.equal(pattern.matches(`${plain}${value.endsWith('x') ? 'z' : 'x'}`), false);
      }
    }),
  );
});

test('did you mean', () => {
  const known = ['db_users', 'db_names', 'allow', 'options'];
  for (const [word, want] of [
    ['db_user', 'db_users'],
    ['alow', 'allow'],
    ['DB_NAMES', 'db_names'],
    ['opitons', 'options'],
    ['zzz', undefined],
    ['x', undefined],
  ] as const) {
    assert.equal(nearest(word, known), want, word);
  }
});

test('expressions: what is not one is refused with its place', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['', 'unexpected end at character 1'],
    ['a &&', 'unexpected end at character 5'],
    ['a = b', 'unexpected "=" at character 3'],
    ['a b', 'unexpected "b" at character 3'],
    ['f(a', 'expected ")" at character 4'],
    ['a["b"', 'expected "]" at character 6'],
    ['a.', 'expected a name at character 3'],
    ['"a', 'unexpected "\\"" at character 1'],
    ['"\\d"', 'unknown escape \\d (write \\\\d, or use backquotes) at character 1'],
    [
      `${'('.repeat(100)}a${')'.repeat(100)}`,
      `nested deeper than maxPredicateDepth ${maxPredicateDepth} at character 34`,
    ],
    [Array.from({ length: 300 }, () => 'a').join('||'), 'more than maxPredicateNodes 512 parts'],
    ['x'.repeat(9000), 'expression of 9000 characters exceeds maxPredicateLength 8192'],
  ];
  for (const [text, want] of rows) {
    const parsed = parsePredicate(text);
    assert.ok(
      'problem' in parsed && parsed.problem.startsWith(want),
      `${text.slice(0, 20)}: ${'problem' in parsed ? parsed.problem : 'accepted'}`,
    );
  }
});

test('expressions: precedence', () => {
  const parsed = parsePredicate('!a && b == "c" || d');
  assert.ok(
    'node' in parsed &&
      parsed.node.type === 'or' &&
      parsed.node.left.type === 'and' &&
      parsed.node.left.right.type === 'equal',
  );
});

test('any text gives a tree or a problem', () => {
  const token = fc.constantFrom('(', ')', '!', '&&', '||', '==', 'a', '.', '["k"]', '"s"', ',', ' ', '`');
  fc.assert(
    fc.property(fc.array(fc.oneof(token, fc.string({ maxLength: 3 }))), (parts) => void parsePredicate(parts.join(''))),
    { numRuns: 2000 },
  );
});
