import type { GetMyselfRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { ruleAllows, type RuleVerb } from '../../access/rules.ts';
import { kindNames } from '../../resource/kinds.ts';
import type { ProxyServer } from '../../resource/resource.ts';
import { ruleKind } from '../../rpc/permissions.ts';
import type { Person } from './caller.ts';
import { preferenceOf, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { rolesOfUser } from './sign-in.ts';

/** Who the caller is and what the roles' rules give, without looking at one resource: what the web UI shows and hides by. Each call is decided again. */
export async function getMyself(_request: GetMyselfRequest, { caller, context, web }: Call<Person>) {
  const roles = await rolesOfUser(caller.user, context);
  const preference = await preferenceOf(context);
  const proxy = await proxyOf(web?.origin, context);
  const { identity, certificate } = caller;
  return {
    user: identity.user,
    userKind: identity.userKind,
    roles: [...identity.roles],
    traitsJson: JSON.stringify(identity.traits),
    clusterName: context.clusterName,
    version: context.version,
    expires: new Date(certificate.notAfterMs).toISOString(),
    mfa: identity.mfa ?? '',
    allowed: RULE_KINDS.flatMap((resource) => {
      const verbs = VERBS.filter((verb) => ruleAllows(roles, identity, resource, verb));
      return verbs.length === 0 ? [] : [{ resource, verbs }];
    }),
    messageOfTheDay: preference.spec.message_of_the_day ?? '',
    proxyPublicAddr: proxy?.public_addr ?? '',
    mysqlPublicAddr: proxy?.mysql_public_addr ?? '',
    caPins: [...context.authorities.hostPins()],
    connector: caller.user.spec.created_by?.connector?.id ?? '',
  };
}

/** What rules may be about: every kind by the name that rules call it, and what is no resource. */
const RULE_KINDS = [...new Set(kindNames.map(ruleKind)), 'database_certificate', 'session', 'event'];
const VERBS: readonly RuleVerb[] = ['list', 'create', 'read', 'readnosecrets', 'update', 'delete', 'use'];

/** The proxy that the browser came to, else any. */
async function proxyOf(origin: string | undefined, context: AuthContext): Promise<ProxyServer['spec'] | undefined> {
  const proxies = (await context.records.list('proxy_server')).map(({ resource }) => resource.spec);
  return proxies.find((proxy) => URL.parse(`https://${proxy.public_addr}`)?.origin === origin) ?? proxies[0];
}
