import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLabelExpression } from '../resource/expression.ts';
import { evaluate, EvaluationError, type Value } from './evaluate.ts';

const labels: { readonly [key: string]: string } = { env: 'prod', team: 'shop', 'db-team': 'core' };
const traits: { readonly [key: string]: readonly string[] } = {
  teams: ['shop', 'ops'],
  email: ['Al <al@example.com>', 'bo@example.com'],
  groups: ['db-dev', 'web'],
};

function run(text: string): Value {
  const parsed = parseLabelExpression(text);
  assert.ok('node' in parsed, 'problem' in parsed ? parsed.problem : '');
  return evaluate(parsed.node, {
    labels,
    path: (parts) => (parts[0] === 'labels' ? (labels[parts[1] ?? ''] ?? '') : (traits[parts[3] ?? ''] ?? [])),
  });
}

const rows: readonly (readonly [string, boolean])[] = [
  ['labels["env"] == "prod"', true],
  ["labels.env == 'prod'", true],
  ['labels.env != "prod"', false],
  ['labels.none == ""', true],
  ['!(labels.env == "dev") && labels.team == "shop"', true],
  ['labels.env == "dev" || labels.team == "shop"', true],
  ['labels.env == "dev" || labels.team == "shop" && labels.env == "dev"', false],
  ['contains(user.spec.traits["teams"], labels.team)', true],
  ['contains(user.spec.traits["teams"], labels.env)', false],
  ['contains(user.spec.traits["none"], "")', false],
  ['contains_any(user.spec.traits.teams, set("x", "ops"))', true],
  ['contains_any(user.spec.traits.teams, set())', false],
  ['contains_all(user.spec.traits.teams, set("shop", "ops"))', true],
  ['contains_all(user.spec.traits.teams, set("shop", "x"))', false],
  ['contains_all(user.spec.traits.teams, user.spec.traits.none)', false],
  ['regexp.match(labels.env, "^pr")', true],
  ['regexp.match(user.spec.traits.teams, "^s.*p$")', true],
  ['regexp.match(user.spec.traits.none, ".*")', false],
  ['contains(regexp.replace(user.spec.traits.groups, "^db-(.*)$", "$1"), "dev")', true],
  ['contains(regexp.replace(user.spec.traits.groups, "^db-(.*)$", "${1}x"), "devx")', true],
  ['contains(regexp.replace(user.spec.traits.groups, "^db-(.*)$", "$1x"), "dev")', false],
  ['contains(regexp.replace(user.spec.traits.groups, "^db-(?P<n>.*)$", "${n}$$"), "dev$")', true],
  ['contains(regexp.replace(user.spec.traits.groups, "^db-", ""), "web")', false],
  ['regexp.replace(labels.env, "o", "0") == "pr0d"', true],
  ['contains(email.local(user.spec.traits.email), "al")', true],
  ['strings.upper(labels.env) == "PROD"', true],
  ['contains(strings.lower(set("ABC")), "abc")', true],
  ['contains(labels_matching("*team"), "core")', true],
  ['contains(labels_matching("^x$"), "core")', false],
];

for (const [text, want] of rows) test(`expression: ${text}`, () => assert.equal(run(text), want));

test('no answer is an EvaluationError', () => {
  assert.throws(() => run('email.local(labels.env) == "x"'), EvaluationError);
});

test('replacements inside replacements can not fill the memory', () => {
  const doubled = (text: string, times: number): string =>
    times === 0 ? text : doubled(`regexp.replace(${text}, "^(.*)$", "$1$1$1$1$1$1$1$1")`, times - 1);
  assert.equal(String(run(doubled('strings.lower(labels.env)', 4).concat(' != "x"'))), 'true');
  assert.throws(() => run(doubled('labels.env', 20).concat(' == "x"')), EvaluationError);
});
