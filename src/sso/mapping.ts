import { compilePattern, compileRegex, type Pattern } from '../resource/pattern.ts';
import type { Traits } from '../resource/identity.ts';
import type { Connector } from '../resource/resource.ts';

/** From what a provider said to roles. One code for sign-ins and for `tessera sso test`, so that the test shows what will happen. */

/** `value`: a literal, a glob or `^regex$`, which must match the whole value; `roles` may say `$1` or `${1}` for what a `*` or a group stood for. */
export type MappingRule = { readonly attribute: string; readonly value: string; readonly roles: readonly string[] };

/** What became of one rule. */
export type MappingStep = {
  readonly rule: MappingRule;
  readonly hit: boolean;
  /** Roles that it gave, `$1` filled in. */
  readonly roles: readonly string[];
  /** In words: what was there, what was expected. */
  readonly why: string;
};

/** The attribute of GitHub's answers that `teams_to_roles` looks at: `organization/team`, lower case. */
export const GITHUB_TEAM_PATHS = 'github_team_paths';

/** A connector's rules in one form. */
export function rulesOf(connector: Connector): readonly MappingRule[] {
  switch (connector.kind) {
    case 'oidc':
      return connector.spec.claims_to_roles.map(({ claim, value, roles }) => ({ attribute: claim, value, roles }));
    case 'saml':
      return connector.spec.attributes_to_roles.map(({ name, value, roles }) => ({ attribute: name, value, roles }));
    case 'github':
      return connector.spec.teams_to_roles.map(({ organization, team, roles }) => ({
        attribute: GITHUB_TEAM_PATHS,
        value: `${organization}/${team}`.toLowerCase(),
        roles,
      }));
  }
}

/** Every rule in turn; the roles in the order of the rules, each once. */
export function mapRoles(
  rules: readonly MappingRule[],
  attributes: Traits,
): { readonly roles: readonly string[]; readonly steps: readonly MappingStep[] } {
  const steps = rules.map((rule) => tryRule(rule, attributes));
  return { roles: [...new Set(steps.flatMap((step) => step.roles))], steps };
}

/** The problem with a rule as it is written, or undefined: a pattern that can not be read, or a role that asks for a group there is not. */
export function ruleProblem(rule: MappingRule): string | undefined {
  const pattern = compilePattern(rule.value);
  if (pattern.kind === 'invalid') return pattern.problem ?? 'not a regular expression';
  const groups = wholeOf(pattern).groups;
  for (const role of rule.roles) {
    const beyond = [...role.matchAll(GROUP)].find((found) => groupOf(found) < 1 || groupOf(found) > groups);
    if (beyond !== undefined)
      return `role ${JSON.stringify(role)} asks for group ${groupOf(beyond)}, the value ${JSON.stringify(rule.value)} has ${groups}`;
    if (/[$*^{}]/.test(role.replaceAll(GROUP, ''))) return `role ${JSON.stringify(role)} is not a name`;
  }
  return undefined;
}

/** Whether a role is written with a group to fill in, so that only a sign-in says which it is. */
export function hasGroups(role: string): boolean {
  return role.search(GROUP) >= 0;
}

function tryRule(rule: MappingRule, attributes: Traits): MappingStep {
  const values = Object.hasOwn(attributes, rule.attribute) ? attributes[rule.attribute] : undefined;
  const wanted = JSON.stringify(rule.value);
  if (values === undefined) return missed(rule, `${rule.attribute} is not there`);
  const pattern = compilePattern(rule.value);
  if (pattern.kind === 'invalid') return missed(rule, `${wanted} can not be read: ${pattern.problem ?? ''}`);
  // Made once: a provider says a thousand values, and each is tried by every rule.
  const whole = wholeOf(pattern);
  // Stricter than in roles: `^a|b$` is "a" or "b", so that no name that only begins like a group's gets its roles.
  const hits = values.filter((value) =>
    pattern.kind === 'regex' ? whole.capture(value) !== undefined : pattern.matches(value),
  );
  if (hits.length === 0) return missed(rule, `${rule.attribute} is ${listed(values)}: expected ${wanted}`);
  const roles = [...new Set(hits.flatMap((value) => rolesFor(rule, whole, value)))];
  return { rule, hit: true, roles, why: `${rule.attribute} has ${listed(hits)}, which is ${wanted}` };
}

function missed(rule: MappingRule, why: string): MappingStep {
  return { rule, hit: false, roles: [], why };
}

function rolesFor(rule: MappingRule, whole: Whole, value: string): readonly string[] {
  if (!rule.roles.some(hasGroups)) return rule.roles;
  const values = whole.capture(value) ?? [];
  return rule.roles.flatMap((role) => {
    const parts = [...role.matchAll(GROUP)].map((found) => values[groupOf(found) - 1] ?? '');
    // A group that stood for nothing names no role.
    if (parts.includes('')) return [];
    return [role.replaceAll(GROUP, () => parts.shift() ?? '')];
  });
}

/** A pattern against whole values: how many groups it has, and what they stood for; undefined: the value is another one. */
type Whole = { readonly groups: number; readonly capture: (value: string) => readonly string[] | undefined };

function wholeOf(pattern: Pattern): Whole {
  const text = expressionOf(pattern);
  if (text === undefined) return { groups: 0, capture: () => undefined };
  const regex = compileRegex(text);
  const groups = regex.groupCount();
  return {
    groups,
    capture: (value) => {
      const matcher = regex.matcher(value);
      return matcher.matches()
        ? Array.from({ length: groups }, (_, index) => matcher.group(index + 1) ?? '')
        : undefined;
    },
  };
}

function expressionOf(pattern: Pattern): string | undefined {
  switch (pattern.kind) {
    case 'regex':
      return pattern.text;
    case 'any':
    case 'glob':
      return pattern.text
        .split('*')
        .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
        .join('(?s:(.*))');
    default:
      return undefined;
  }
}

function listed(values: readonly string[]): string {
  if (values.length === 0) return 'empty';
  const some = values.slice(0, MAX_LISTED).map((value) => JSON.stringify(value.slice(0, MAX_SHOWN)));
  return values.length > some.length ? `${some.join(', ')} and ${values.length - some.length} more` : some.join(', ');
}

function groupOf(found: RegExpMatchArray): number {
  return Number(found[1] ?? found[2]);
}

const GROUP = /\$(?:(\d)|\{(\d)\})/g;
const MAX_LISTED = 20;
const MAX_SHOWN = 100;
