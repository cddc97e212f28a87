import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from '../errors.ts';
import { kindOf, kinds } from './kinds.ts';
import { parseResourceJson, parseResourceOf, parseResources } from './parse.ts';
import { presetRoles } from './presets.ts';
import { printResource, toJson } from './print.ts';
import type { Resource } from './resource.ts';
import { keptConditions, keptOptions } from './schema/role.ts';

const dba = `kind: role
version: v7
metadata: {name: dba, description: Databases, labels: {team: core}, namespace: default, revision: abc}
spec:
  options: {max_session_ttl: 8h, client_idle_timeout: 15m, require_session_mfa: yes, lock: strict, forward_agent: true, cert_format: standard, enhanced_recording: [command], record_session: {default: best_effort}}
  allow:
    logins: [root]
    node_labels: {'*': '*'}
    kubernetes_groups: [dev]
    windows_desktop_logins: [Administrator]
    db_labels: {env: dev, team: [a, b]}
    db_users: viewer
    db_names: ["*"]
    rules: [{resources: [session], verbs: [list, read], where: 'contains(session.participants, user.metadata.name)'}]
    request: {roles: [admin], thresholds: [{approve: 2, deny: 1}]}
  deny: {}
`;

const examples: { readonly [name: string]: string } = {
  role: dba,
  user: 'kind: user\nversion: v2\nmetadata: {name: alice@example.com}\nspec: {roles: [access], traits: {logins: [alice], db_users: viewer, db_roles: null}, created_by: {user: {name: bob}, time: 2026-01-01T00:00:00+02:00}, status: {is_locked: false}}',
  db: 'kind: db\nversion: v3\nmetadata: {name: orders, labels: {env: prod}}\nspec: {protocol: postgres, uri: "[::1]:5432", tls: {mode: verify-ca, server_name: x}, admin_user: {name: a}, aws: {region: x}}',
  token:
    'kind: token\nversion: v2\nmetadata: {name: 0123456789abcdef, expires: 2026-01-01T00:00:00Z}\nspec: {roles: [db, Proxy], uses_left: 2}',
  lock: 'kind: lock\nversion: v2\nmetadata: {name: 5b1b-1}\nspec: {target: {user: alice}, message: suspected theft}',
  cluster_auth_preference: 'kind: cap\nversion: v2\nspec: {second_factor: on, default_session_ttl: 4h}',
  oidc: 'kind: oidc\nversion: v3\nmetadata: {name: corp}\nspec: {issuer_url: "https://id.example.com", client_id: a, client_secret: b, redirect_url: "https://p.example.com/v1/webapi/oidc/callback", scope: [groups], max_age: 1h30m, claims_to_roles: [{claim: groups, value: "^db-(.*)$", roles: ["$1-reader", "x-${1}"]}], provider: x}',
  saml: 'kind: saml\nversion: v2\nmetadata: {name: corp}\nspec: {acs: "https://p.example.com/v1/webapi/saml/acs/corp", entity_descriptor_url: "https://id.example.com/m", attributes_to_roles: [{name: groups, value: dba, roles: access}]}',
  github:
    'kind: github\nversion: v3\nmetadata: {name: hub}\nspec: {client_id: a, client_secret: b, redirect_url: "https://p.example.com/v1/webapi/github/callback", teams_to_roles: [{organization: acme, team: "*", roles: [access]}]}',
  db_server:
    'kind: db_server\nversion: v3\nmetadata: {name: host-1/orders}\nspec: {host_id: host-1, host_name: h, origin: config, health: {status: healthy}, database: {kind: db, version: v3, metadata: {name: orders}, spec: {protocol: postgres, uri: "h:1"}}}',
  proxy_server:
    'kind: proxy_server\nversion: v2\nmetadata: {name: host-1}\nspec: {host_id: host-1, host_name: h, public_addr: "a.example.com:3080"}',
  authority: 'kind: authority\nversion: v2\nmetadata: {name: user}\nspec: {type: user, certificates: [x]}',
};

const one = (text: string): Resource => parseResources(text, 'f')[0]!;

for (const [kind, text] of Object.entries(examples)) {
  test(`${kind}: reads, prints in both formats and reads the same again`, () => {
    const resource = one(text);
    assert.equal(resource.kind, kind);
    assert.ok(Object.isFrozen(resource.spec));
    assert.deepEqual(one(printResource(resource, 'yaml')), resource);
    assert.deepEqual(one(printResource(resource, 'json')), resource);
    assert.deepEqual(parseResourceJson(toJson(resource)), resource);
    assert.deepEqual(parseResourceJson(JSON.stringify(toJson(resource))), resource);
  });
}

test('every kind has an example here', () =>
  assert.deepEqual(Object.keys(examples).toSorted(), Object.keys(kinds).toSorted()));

test('a role of the ecosystem: lists, units, kept keys', () => {
  const role = parseResourceOf('role', toJson(one(dba)));
  assert.deepEqual(role.spec.options, {
    max_session_ttl: 28_800_000,
    client_idle_timeout: 900_000,
    require_session_mfa: true,
    lock: 'strict',
    forward_agent: true,
    cert_format: 'standard',
    enhanced_recording: ['command'],
    record_session: { default: 'best_effort' },
  });
  assert.deepEqual(role.spec.allow.db_labels, { env: ['dev'], team: ['a', 'b'] });
  assert.deepEqual(role.spec.allow.db_users, ['viewer']);
  assert.match(printResource(role, 'yaml'), /max_session_ttl: 8h\n/);
  assert.deepEqual(role.metadata, { name: 'dba', description: 'Databases', labels: { team: 'core' } });
});

test('all kept keys are accepted in allow and deny', () => {
  const conditions = Object.fromEntries(keptConditions.map((key) => [key, ['x']]));
  const options = Object.fromEntries(keptOptions.map((key) => [key, 'x']));
  for (const version of ['v3', 'v4', 'v5', 'v6', 'v7', 'v8']) {
    parseResourceJson({
      kind: 'role',
      version,
      metadata: { name: 'r' },
      spec: { options, allow: conditions, deny: conditions },
    });
  }
});

test('presets are valid roles with different names', () => {
  assert.deepEqual(
    presetRoles().map((role) => role.metadata.name),
    ['access', 'editor', 'auditor', 'requester', 'reviewer'],
  );
});

test('defaults of a database and of the preference', () => {
  const database = one('kind: db\nversion: v3\nmetadata: {name: a}\nspec: {protocol: postgres, uri: "h:1"}');
  assert.deepEqual(database.spec, { protocol: 'postgres', uri: 'h:1', tls: { mode: 'verify-full' } });
  assert.deepEqual(one('kind: cap\nversion: v2\nspec: {}').spec, {
    type: 'local',
    second_factors: ['otp'],
    locking_mode: 'best_effort',
    require_session_mfa: false,
    session_mfa_ttl: 300_000,
    allow_local_auth: true,
    allow_passwordless: true,
    web_idle_timeout: 3_600_000,
    default_session_ttl: 43_200_000,
  });
});

test('kinds by their other names', () => {
  for (const [word, kind] of [
    ['users', 'user'],
    ['DBs', 'db'],
    ['cap', 'cluster_auth_preference'],
    ['roles', 'role'],
    ['nothing', undefined],
  ] as const)
    assert.equal(kindOf(word), kind);
});

const role = (spec: string): string => `kind: role\nversion: v7\nmetadata: {name: r}\nspec: ${spec}`;
const db = (spec: string): string => `kind: db\nversion: v3\nmetadata: {name: d}\nspec: ${spec}`;
const refused: readonly { readonly name: string; readonly text: string; readonly want: string | RegExp }[] = [
  { name: 'unknown key', text: role('{alow: {}}'), want: 'f:4:8: spec.alow: unknown key, did you mean allow' },
  {
    name: 'unknown key far from any',
    text: role('{allow: {zzzzzz: 1}}'),
    want: 'f:4:16: spec.allow.zzzzzz: unknown key',
  },
  {
    name: 'duration without unit',
    text: role('{options: {max_session_ttl: 8}}'),
    want: /^f:4:35: spec.options.max_session_ttl: expected a duration with units/,
  },
  {
    name: 'broken regex',
    text: role('{allow: {db_users: ["^(a$"]}}'),
    want: /^f:4:27: spec.allow.db_users\[0\]: .*missing closing/,
  },
  { name: 'look-ahead is not RE2', text: role('{deny: {db_names: "^(?=a)$"}}'), want: /unsupported Perl syntax/ },
  { name: 'huge repetition', text: role('{allow: {db_users: "^((a{1000}){1000})$"}}'), want: /invalid repeat count/ },
  { name: 'broken template', text: role('{allow: {db_users: "{{internal.db_users"}}'), want: /expected }} after {{/ },
  {
    name: 'two templates',
    text: role('{allow: {db_users: "{{external.a}}{{external.b}}"}}'),
    want: /one {{...}} per entry/,
  },
  { name: 'unknown trait space', text: role('{allow: {db_users: "{{outer.a}}"}}'), want: /unknown name outer.a/ },
  {
    name: 'expression of the wrong type',
    text: role('{allow: {db_labels_expression: "labels.env"}}'),
    want: /expected a condition \(true or false\), got a string/,
  },
  {
    name: 'expression with an unknown function',
    text: role('{allow: {db_labels_expression: "has(labels.env)"}}'),
    want: /unknown function has/,
  },
  {
    name: 'expression with a broken regex',
    text: role(`{allow: {db_labels_expression: 'regexp.match(labels.env, "(")'}}`),
    want: /missing closing/,
  },
  {
    name: 'expression that compares a list',
    text: role(`{allow: {db_labels_expression: 'user.spec.traits["a"] == "b"'}}`),
    want: /== expects a string on each side, got a list/,
  },
  { name: 'the key * with a value', text: role('{allow: {db_labels: {"*": prod}}}'), want: /takes only the value \*/ },
  {
    name: 'hardware key',
    text: role('{options: {require_session_mfa: hardware_key}}'),
    want: /hardware keys are not supported/,
  },
  {
    name: 'device trust',
    text: role('{options: {device_trust_mode: required}}'),
    want: /device trust is not supported/,
  },
  {
    name: 'number where text belongs',
    text: role('{allow: {db_users: [5]}}'),
    want: 'f:4:27: spec.allow.db_users[0]: expected string, got number (put it in quotes)',
  },
  {
    name: 'unknown verb',
    text: role('{allow: {rules: [{resources: [db], verbs: [raed]}]}}'),
    want: /got "raed", did you mean read$/,
  },
  {
    name: 'name with a slash',
    text: 'kind: role\nversion: v7\nmetadata: {name: a/b}\nspec: {}',
    want: /^f:3:18: metadata.name: expected a name/,
  },
  {
    name: 'name that climbs',
    text: 'kind: role\nversion: v7\nmetadata: {name: a..b}\nspec: {}',
    want: /metadata.name/,
  },
  {
    name: 'uri with a password',
    text: db('{protocol: postgres, uri: "u:hunter2@h:1"}'),
    want: /^f:4:33: spec.uri: a uri must not name a user or a password/,
  },
  { name: 'uri with a scheme', text: db('{protocol: postgres, uri: "postgres://h:1"}'), want: /without a scheme/ },
  { name: 'uri without a port', text: db('{protocol: postgres, uri: h}'), want: /expected host:port/ },
  {
    name: 'labels from commands',
    text: db('{protocol: postgres, uri: "h:1", dynamic_labels: {a: {command: [x]}}}'),
    want: /labels from commands are not supported/,
  },
  {
    name: 'short token',
    text: 'kind: token\nversion: v2\nmetadata: {name: abc}\nspec: {roles: [Db]}',
    want: /at least 16 characters/,
  },
  {
    name: 'lock by what is not enforced',
    text: 'kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {login: root}}',
    want: /can not enforce a lock by this/,
  },
  {
    name: 'lock without target',
    text: 'kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {}}',
    want: /expected at least one of user/,
  },
  {
    name: 'escape in a description',
    text: 'kind: role\nversion: v7\nmetadata: {name: r, description: "\\e[2J"}\nspec: {}',
    want: /control characters/,
  },
  { name: 'unknown kind', text: 'kind: rol', want: /did you mean role$/ },
  { name: 'no kind', text: 'version: v2', want: /kind: is missing: expected one of role, user/ },
  { name: 'not a map', text: '- 1', want: /expected a resource/ },
  { name: 'duplicate key', text: role('{}\nspec: {}'), want: 'f:5:1: duplicate key' },
  { name: 'duplicate key, quoted', text: 'kind: role\na: {1: x, "1": y}', want: 'f:2:11: duplicate key' },
  {
    name: 'duplicate key after very many',
    text: `{${Array.from({ length: 40_000 }, (_, index) => `k${index}: 1`).join(', ')}, k0: 1}`,
    want: /duplicate key/,
  },
  { name: 'too large', text: `# ${'x'.repeat(1024 * 1024)}`, want: /exceeds maxResourceFileBytes/ },
  { name: '__proto__ as a label', text: role('{deny: {db_labels: {__proto__: x}}}'), want: /__proto__ is not allowed/ },
];

for (const { name, text, want } of refused) {
  test(`refused: ${name}`, () => {
    const problem = problems(() => parseResources(text, 'f'))[0] ?? '';
    if (typeof want === 'string') assert.equal(problem.slice(0, want.length), want);
    else assert.match(problem, want);
    assert.doesNotMatch(problem, /hunter2/);
  });
}

test('every problem of every document at once, in the order of the file', () => {
  const got = problems(() =>
    parseResources(`${role('{alow: {}, options: {lock: x}}')}\n---\n${role('{}')}\n---\nkind: x\n`, 'f'),
  );
  assert.deepEqual(
    got.map((line) => line.split(' ')[0]),
    ['f:4:8:', 'f:4:34:', 'f:11:7:'],
  );
});

test('JSON: the key is the place, `__proto__` and depth are refused, only JSON is read', () => {
  assert.deepEqual(
    problems(() => parseResourceJson({ kind: 'role', version: 'v7', metadata: { name: 'r' }, spec: { alow: 1 } })),
    ['spec.alow: unknown key, did you mean allow'],
  );
  assert.match(problems(() => parseResourceJson('{"kind":"role","__proto__":{}}'))[0] ?? '', /__proto__/);
  assert.match(
    problems(() => parseResourceJson(`{"kind":"role","spec":${'['.repeat(500)}${']'.repeat(500)}}`))[0] ?? '',
    /nested deeper/,
  );
  assert.match(problems(() => parseResourceJson('kind: role'))[0] ?? '', /expected a JSON document/);
  assert.match(
    problems(() => parseResourceOf('role', toJson(one(examples['lock']!))))[0] ?? '',
    /expected role, got lock/,
  );
});

test('any text gives resources or a ConfigError', () => {
  const part = fc.constantFrom(
    'kind: role',
    'version: v7',
    'metadata: {name: r}',
    'spec:',
    '  allow:',
    '    db_users: ["{{',
    '---',
    '<<: *a',
    '&a',
    '- ',
    '? ',
    '}',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 8 }), (lines) => {
      try {
        parseResources(lines.join('\n'), 'f');
      } catch (error: unknown) {
        assert.ok(error instanceof ConfigError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

function problems(parse: () => unknown): readonly string[] {
  try {
    parse();
  } catch (error: unknown) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  assert.fail('expected problems');
}
