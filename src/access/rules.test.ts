import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserIdentity } from '../resource/identity.ts';
import { parseResourceOf } from '../resource/parse.ts';
import { presetRoles } from '../resource/presets.ts';
import type { Role } from '../resource/resource.ts';
import { ruleAllows, type RuleContext, type RuleVerb } from './rules.ts';

const alice: UserIdentity = {
  kind: 'user',
  user: 'alice',
  userKind: 'local',
  roles: ['r'],
  traits: { teams: ['shop'] },
};
const shop = parseResourceOf('db', {
  kind: 'db',
  version: 'v3',
  metadata: { name: 'd', labels: { team: 'shop' } },
  spec: { protocol: 'postgres', uri: 'h:1' },
});
const preset = (name: string): Role[] => presetRoles().filter((role) => role.metadata.name === name);

function role(allow: readonly object[], deny: readonly object[] = []): Role[] {
  return [
    parseResourceOf('role', {
      kind: 'role',
      version: 'v7',
      metadata: { name: 'r' },
      spec: { allow: { rules: allow }, deny: { rules: deny } },
    }),
  ];
}

const crud = { resources: ['db'], verbs: ['list', 'read'] };
const where = (text: string): object => ({ resources: ['db'], verbs: ['*'], where: text });

type Row = {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly kind?: string;
  readonly verb?: RuleVerb;
  readonly context?: RuleContext;
  readonly want: boolean;
};
const rows: readonly Row[] = [
  { name: 'no role', roles: [], want: false },
  { name: 'verb named', roles: role([crud]), want: true },
  { name: 'verb not named', roles: role([crud]), verb: 'delete', want: false },
  { name: 'kind not named', roles: role([crud]), kind: 'user', want: false },
  { name: 'any kind', roles: role([{ resources: ['*'], verbs: ['read'] }]), want: true },
  { name: 'any verb', roles: role([{ resources: ['db'], verbs: ['*'] }]), verb: 'delete', want: true },
  { name: 'deny wins', roles: role([crud], [{ resources: ['db'], verbs: ['read'] }]), want: false },
  { name: 'deny of another verb', roles: role([crud], [{ resources: ['db'], verbs: ['list'] }]), want: true },
  { name: 'deny of any', roles: role([crud], [{ resources: ['*'], verbs: ['*'] }]), want: false },
  { name: 'read includes readnosecrets', roles: role([crud]), verb: 'readnosecrets', want: true },
  {
    name: 'readnosecrets does not include read',
    roles: role([{ resources: ['db'], verbs: ['readnosecrets'] }]),
    want: false,
  },
  {
    name: 'denied readnosecrets denies read',
    roles: role([crud], [{ resources: ['db'], verbs: ['readnosecrets'] }]),
    want: false,
  },
  {
    name: 'denied read denies readnosecrets',
    roles: role([crud], [{ resources: ['db'], verbs: ['read'] }]),
    verb: 'readnosecrets',
    want: false,
  },
  {
    name: 'where true',
    roles: role([where('equals(resource.metadata.labels["team"], "shop")')]),
    context: { resource: shop },
    want: true,
  },
  {
    name: 'where false',
    roles: role([where('equals(resource.metadata.labels["team"], "ops")')]),
    context: { resource: shop },
    want: false,
  },
  {
    name: 'where over traits',
    roles: role([where('contains(user.spec.traits["teams"], resource.metadata.labels["team"])')]),
    context: { resource: shop },
    want: true,
  },
  {
    name: 'where without what it needs does not allow',
    roles: role([where('equals(resource.metadata.name, "d")')]),
    want: false,
  },
  {
    name: 'where without what it needs denies',
    roles: role([crud], [where('equals(resource.metadata.name, "x")')]),
    want: false,
  },
  { name: 'where with an unknown function does not allow', roles: role([where('can_view()')]), want: false },
  { name: 'where with an unknown function denies', roles: role([crud], [where('can_view()')]), want: false },
  { name: 'where with not', roles: role([where('!equals(user.metadata.name, "bob")')]), want: true },
  {
    name: 'an unknown name inside not does not allow',
    roles: role([where('!equals(user.other, "bob")')]),
    want: false,
  },
  {
    name: 'access: own session',
    roles: preset('access'),
    kind: 'session',
    context: { participants: ['alice'] },
    want: true,
  },
  {
    name: 'access: session of another',
    roles: preset('access'),
    kind: 'session',
    context: { participants: ['bob'] },
    want: false,
  },
  { name: 'access: no events', roles: preset('access'), kind: 'event', want: false },
  { name: 'access: no administration', roles: preset('access'), kind: 'user', verb: 'create', want: false },
  { name: 'editor: users', roles: preset('editor'), kind: 'user', verb: 'create', want: true },
  { name: 'editor: does not write events', roles: preset('editor'), kind: 'event', verb: 'delete', want: false },
  { name: 'auditor: events', roles: preset('auditor'), kind: 'event', want: true },
  { name: 'auditor: no roles', roles: preset('auditor'), kind: 'role', verb: 'update', want: false },
];

for (const { name, roles, kind = 'db', verb = 'read', context = {}, want } of rows) {
  test(`ruleAllows: ${name}`, () => assert.equal(ruleAllows(roles, alice, kind, verb, context), want));
}
