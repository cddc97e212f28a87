import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UserIdentity } from '../resource/identity.ts';
import { parseResourceOf } from '../resource/parse.ts';
import type { Role } from '../resource/resource.ts';
import { explainAccess } from './explain.ts';
import { authorize, Grant } from './grant.ts';
import { allowedOn, resolveRoute } from './reach.ts';

/**
 * A second reading of the rules, deliberately slow and written in another way: it substitutes traits in the raw text, turns every entry into a
 * JavaScript regular expression, and decides by listing which roles hit.
 */
type RawConditions = {
  readonly db_labels?: { readonly [key: string]: readonly string[] };
  readonly db_users: readonly string[];
  readonly db_names: readonly string[];
  readonly db_local_infile?: boolean;
};
type Raw = { readonly version: 'v3' | 'v7'; readonly allow: RawConditions; readonly deny: RawConditions };
type World = {
  readonly roles: readonly Raw[];
  readonly labels: { readonly [key: string]: string };
  readonly traits: { readonly [key: string]: readonly string[] };
  readonly user: string;
  readonly name: string;
};

type Verdict = 'denied' | 'granted' | 'granted with files';

function naive({ roles, labels, traits, user, name }: World): Verdict {
  const substitute = (entry: string): string[] => {
    const match = /^(.*)\{\{(?:internal|external)\.(\w+)\}\}(.*)$/.exec(entry);
    if (match === null) return [entry];
    const bare = match[1] === '' && match[3] === '';
    return (traits[match[2] ?? ''] ?? []).map((value) =>
      bare ? value : `^${escape(match[1] ?? '')}${escape(value)}${escape(match[3] ?? '')}$`,
    );
  };
  const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const regex = (entry: string): RegExp => {
    if (/^\^.*\$$/.test(entry)) return new RegExp(entry);
    return new RegExp(`^${entry.split('*').map(escape).join('.*')}$`);
  };
  const hit = (entries: readonly string[] | undefined, value: string): boolean =>
    (entries ?? []).flatMap(substitute).some((entry) => regex(entry).test(value));
  const labelHits = (matcher: RawConditions['db_labels']): boolean[] =>
    Object.keys(matcher ?? {}).map((key) => key === '*' || (key in labels && hit(matcher?.[key], labels[key] ?? '')));

  const denied = roles.filter(
    ({ deny }) => labelHits(deny.db_labels).includes(true) || hit(deny.db_users, user) || hit(deny.db_names, name),
  );
  const opened = roles.filter(({ allow, version }) => {
    const matcher = allow.db_labels ?? (version === 'v3' ? { '*': ['*'] } : {});
    return (
      Object.keys(matcher).length > 0 &&
      !labelHits(matcher).includes(false) &&
      hit(allow.db_users, user) &&
      hit(allow.db_names, name)
    );
  });
  if (denied.length > 0 || opened.length === 0) return 'denied';
  const files = opened.filter(({ allow }) => allow.db_local_infile === true);
  const withoutFiles = roles.filter(({ deny }) => deny.db_local_infile === true);
  return files.length > 0 && withoutFiles.length === 0 ? 'granted with files' : 'granted';
}

const word = fc.constantFrom('a', 'b', 'ab', 'ba', 'aab');
const entry = fc.oneof(
  { weight: 4, arbitrary: word },
  fc.constantFrom(
    '*',
    'a*',
    '*b',
    'a*b',
    '*a*',
    '^a+b?$',
    '^(a|b)$',
    '{{internal.db_users}}',
    '{{external.t}}',
    'a{{external.t}}',
    '{{external.u}}b',
  ),
);
const matcher = fc.dictionary(fc.constantFrom('env', 'team'), fc.array(entry, { maxLength: 2 }), { maxKeys: 2 });
const allowLabels = fc.oneof(matcher, fc.constant({ '*': ['*'] }), fc.constant({ '*': ['*'] }));
const rarely = <T>(value: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant<T[]>([]) }, { weight: 1, arbitrary: value });
const entries = fc.array(entry, { maxLength: 3 });
const conditions = fc.record(
  { db_labels: allowLabels, db_users: entries, db_names: entries, db_local_infile: fc.boolean() },
  { requiredKeys: ['db_users', 'db_names'] },
);
const denials = fc.record({
  db_labels: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, matcher),
  db_users: rarely(entries),
  db_names: rarely(entries),
  db_local_infile: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
});
const world: fc.Arbitrary<World> = fc.record({
  roles: fc.array(
    fc.record({ version: fc.constantFrom('v3' as const, 'v7' as const), allow: conditions, deny: denials }),
    { maxLength: 4 },
  ),
  labels: fc.dictionary(fc.constantFrom('env', 'team'), word),
  traits: fc.dictionary(
    fc.constantFrom('db_users', 't', 'u'),
    fc.array(fc.oneof(word, fc.constantFrom('*', 'b*')), { maxLength: 2 }),
  ),
  user: word,
  name: word,
});

function build({ roles, labels, traits }: World) {
  const parsed = roles.map((raw, index): Role =>
    parseResourceOf('role', {
      kind: 'role',
      version: raw.version,
      metadata: { name: `r${index}` },
      spec: { allow: raw.allow, deny: raw.deny },
    }),
  );
  const identity: UserIdentity = {
    kind: 'user',
    user: 'alice',
    userKind: 'local',
    roles: parsed.map((role) => role.metadata.name),
    traits,
  };
  const database = parseResourceOf('db', {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'd', labels },
    spec: { protocol: 'postgres', uri: 'h:1' },
  });
  const preference = parseResourceOf('cluster_auth_preference', { kind: 'cap', version: 'v2', spec: {} });
  const outcome = (databaseUser: string, databaseName: string): Verdict => {
    const grant = authorize({
      identity,
      certificate: { fingerprint: '', notAfterMs: 2 },
      roleByName: (name) => parsed.find((role) => role.metadata.name === name),
      database,
      databaseUser,
      databaseName,
      replication: 'none',
      locks: [],
      locksAgeMs: 0,
      nowMs: 1,
      clientAddress: '',
      preference,
    });
    if (!(grant instanceof Grant)) return 'denied';
    return grant.options.localInfileAllowed ? 'granted with files' : 'granted';
  };
  const decide = (databaseUser: string, databaseName: string): boolean =>
    outcome(databaseUser, databaseName) !== 'denied';
  return { parsed, identity, database, outcome, decide };
}

test('authorize agrees with the naive reading of the rules', () => {
  const reached = { denied: 0, granted: 0, 'granted with files': 0 };
  fc.assert(
    fc.property(world, (one) => {
      const want = naive(one);
      reached[want] += 1;
      assert.equal(build(one).outcome(one.user, one.name), want);
    }),
    { numRuns: 3000 },
  );
  assert.ok(reached.granted > 100, `the generator must reach grants too, got ${reached.granted}`);
  assert.ok(reached['granted with files'] > 20, `and grants with files, got ${reached['granted with files']}`);
});

test('what resolveRoute fills in is allowed, and allowedOn is never blind to a grant', () => {
  fc.assert(
    fc.property(world, (one) => {
      const { parsed, identity, database, decide } = build(one);
      const route = resolveRoute(identity, parsed, database, {});
      if (route.type === 'ResolvedRoute' && route.databaseUser !== undefined && route.databaseName !== undefined) {
        assert.ok(decide(route.databaseUser, route.databaseName));
      }
      if (decide(one.user, one.name)) {
        assert.ok(allowedOn(identity, parsed, database));
        assert.equal(
          resolveRoute(identity, parsed, database, { databaseUser: one.user, databaseName: one.name }).type,
          'ResolvedRoute',
        );
      }
    }),
    { numRuns: 1500 },
  );
});

test('an explanation says what authorize decides, and its verdicts of single roles add up to it', () => {
  const verdicts = new Set<string>();
  fc.assert(
    fc.property(world, fc.boolean(), (one, named) => {
      const { parsed, identity, database, decide } = build(one);
      const wanted = { databaseUser: one.user, databaseName: one.name };
      const { allowed, reasons, roles } = explainAccess(identity, parsed, database, wanted);
      assert.equal(allowed, decide(one.user, one.name));
      const says = (verdict: string): boolean => roles.some((role) => role.verdict === verdict);
      assert.equal(allowed, says('allows') && !says('denies'));
      assert.notEqual(reasons.length, 0);
      for (const { verdict } of roles) verdicts.add(verdict);
      // Without a user and a name it is what lists show.
      const open = explainAccess(identity, parsed, database, named ? { databaseUser: undefined } : {});
      assert.equal(open.allowed, allowedOn(identity, parsed, database) !== undefined);
    }),
    { numRuns: 1500 },
  );
  assert.deepEqual([...verdicts].toSorted(), ['allows', 'denies', 'labels do not match', 'name not allowed', 'user not allowed']); // prettier-ignore
});

test('a denying role never opens anything', () => {
  fc.assert(
    fc.property(world, (one) => {
      const before = build(one).decide(one.user, one.name);
      const more = {
        ...one,
        roles: [
          ...one.roles,
          { version: 'v7' as const, allow: { db_users: [], db_names: [] }, deny: { db_users: ['a'], db_names: [] } },
        ],
      };
      if (build(more).decide(one.user, one.name)) assert.ok(before);
    }),
    { numRuns: 500 },
  );
});
