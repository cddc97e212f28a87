import { LoginError } from '../../errors.ts';
import type { Traits } from '../../resource/identity.ts';
import { nameLimit, namePattern } from '../../resource/schema/fields.ts';
import type { Connector } from '../../resource/resource.ts';
import { traitsOf } from '../../sso/attributes.ts';
import type { ProviderAnswer, Trace } from '../../sso/connector.ts';
import { mapRoles, rulesOf } from '../../sso/mapping.ts';
import type { AuthContext } from './context.ts';

/** From a provider's verified answer to who the person is here. The same for sign-ins and for `tessera sso test`. */

/** maxRoles of a person, as of any user; maxMapped: names that the rules give, whether or not there is such a role. */
const MAX_ROLES = 100;
const MAX_MAPPED = 1000;

export type Judged = {
  readonly subject: string;
  readonly username: string;
  readonly roles: readonly string[];
  readonly traits: Traits;
};

/**
 * Tells every rule and what came of it. Throws LoginError: `SSO_NO_USERNAME`, `SSO_BAD_USERNAME`, `SSO_NO_SUBJECT`, `SSO_NO_ROLES` (no rule gave a role that exists), `SSO_TOO_MANY_ROLES`, `SSO_TRAITS_TOO_LARGE`.
 */
export async function judge(
  connector: Connector,
  answer: ProviderAnswer,
  trace: Trace,
  context: Pick<AuthContext, 'records'>,
): Promise<Judged> {
  const username = goodName(answer, trace);
  // First: what is beyond its bounds is not tried by a thousand rules.
  const traits = traitsOf(answer.attributes, answer.hidden);
  const { roles: mapped, steps } = mapRoles(rulesOf(connector), answer.attributes);
  for (const { rule, hit, roles, why } of steps)
    trace({
      name: 'mapping',
      ok: hit,
      detail: `${why}: ${hit ? `roles ${roles.join(', ') || 'none'}` : `not ${rule.roles.join(', ')}`}`,
    });
  if (mapped.length > MAX_MAPPED)
    throw new LoginError(
      'SSO_TOO_MANY_ROLES',
      `the rules give ${mapped.length} names of roles: maxMapped ${MAX_MAPPED}`,
    );
  const roles = await existing(mapped, trace, context);
  if (roles.length === 0) {
    const detail =
      steps.length === 0 ? 'the connector has no rule that gives roles' : 'no rule gave a role that exists';
    trace({ name: 'roles', ok: false, detail });
    throw new LoginError('SSO_NO_ROLES', detail, {
      publicMessage: 'you are known at the identity provider, but nothing there gives you access here',
    });
  }
  if (roles.length > MAX_ROLES)
    throw new LoginError('SSO_TOO_MANY_ROLES', `the rules give ${roles.length} roles: maxRoles ${MAX_ROLES}`);
  trace({ name: 'roles', ok: true, detail: roles.join(', ') });
  trace({ name: 'traits', ok: true, detail: JSON.stringify(traits) });
  return { subject: answer.subject, username, roles, traits };
}

function goodName({ username, subject }: ProviderAnswer, trace: Trace): string {
  const refuse = (code: string, detail: string): LoginError => {
    trace({ name: 'username', ok: false, detail });
    return new LoginError(code, detail, {
      publicMessage: 'the identity provider says no user name that can be used here',
    });
  };
  if (subject === '' || subject.length > MAX_SUBJECT)
    throw refuse('SSO_NO_SUBJECT', 'the answer does not say whose it is in a usable way');
  if (username === undefined || username === '') throw refuse('SSO_NO_USERNAME', 'the answer has no user name');
  if (username.length > nameLimit || !namePattern.test(username) || username.includes('..'))
    throw refuse(
      'SSO_BAD_USERNAME',
      `the user name ${JSON.stringify(username.slice(0, 64))}: expected at most ${nameLimit} letters, digits and _ . @ + : = -`,
    );
  if (RESERVED.test(username))
    throw refuse(
      'SSO_BAD_USERNAME',
      `the user name ${JSON.stringify(username)} is how the audit log names the cluster's own`,
    );
  return username;
}

/** `actorOf` (caller.ts): the administrator of the machine, and services. A provider must not name people so. */
const RESERVED = /^(?:admin|[0-9a-f-]{36}\.(?:proxy|database))$/i;

async function existing(
  names: readonly string[],
  trace: Trace,
  context: Pick<AuthContext, 'records'>,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of names) {
    if ((await context.records.read('role', name)) === undefined)
      trace({ name: 'roles', ok: false, detail: `role ${JSON.stringify(name)} does not exist: left out` });
    else found.push(name);
  }
  return found;
}

const MAX_SUBJECT = 1024;
