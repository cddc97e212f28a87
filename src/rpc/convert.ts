import { create } from '@bufbuild/protobuf';
import {
  AuthoritySchema,
  RouteToDatabaseSchema,
  type Authority,
  type RouteToDatabase,
} from '../../gen/tessera/auth/v1/auth_pb.ts';
import { ProtocolError } from '../errors.ts';
import type { DatabaseProtocol, Route } from '../resource/identity.ts';
import { parseResourceJson } from '../resource/parse.ts';
import { toJson } from '../resource/print.ts';
import type { AuthorityType, Resource } from '../resource/resource.ts';

/** Between the API's generated types, which stop here, and the nouns of src/resource. */

/** PEM certificates that are trusted now, by what they are trusted for. */
export type Authorities = { readonly [T in AuthorityType]: readonly string[] };

const AUTHORITY_TYPES = ['user', 'host', 'db', 'db-client'] as const satisfies readonly AuthorityType[];
const PROTOCOLS = ['postgres', 'mysql', 'mongodb', 'redis', 'sqlserver'] as const satisfies readonly DatabaseProtocol[];

/** Types that were not sent are empty; unknown types are ignored (a newer Auth). */
export function authoritiesFromGen(list: readonly Authority[]): Authorities {
  const of = (type: AuthorityType): readonly string[] =>
    list.find((authority) => authority.type === type)?.certificates ?? [];
  return { user: of('user'), host: of('host'), db: of('db'), 'db-client': of('db-client') };
}

export function authoritiesToGen(authorities: Authorities): Authority[] {
  return AUTHORITY_TYPES.map((type) => create(AuthoritySchema, { type, certificates: [...authorities[type]] }));
}

/** Undefined for a text that names none of the authorities. */
export function parseAuthorityType(text: string): AuthorityType | undefined {
  return AUTHORITY_TYPES.find((type) => type === text);
}

/** Throws ProtocolError for an empty service or an unknown protocol; an empty user or name means open. */
export function routeFromGen(route: RouteToDatabase): Route {
  const protocol = PROTOCOLS.find((known) => known === route.protocol);
  if (protocol === undefined)
    throw new ProtocolError(
      'ROUTE_PROTOCOL_UNKNOWN',
      `route: expected protocol ${PROTOCOLS.join(', ')}, got ${JSON.stringify(route.protocol.slice(0, 32))}`,
    );
  if (route.service === '') throw new ProtocolError('ROUTE_SERVICE_MISSING', 'route: service must not be empty');
  return {
    service: route.service,
    protocol,
    ...(route.databaseUser === '' ? {} : { databaseUser: route.databaseUser }),
    ...(route.databaseName === '' ? {} : { databaseName: route.databaseName }),
  };
}

export function routeToGen(route: Route): RouteToDatabase {
  return create(RouteToDatabaseSchema, {
    service: route.service,
    protocol: route.protocol,
    databaseUser: route.databaseUser ?? '',
    databaseName: route.databaseName ?? '',
  });
}

/** A resource as it travels: the public shape. Throws ConfigError with every problem. */
export function resourceFromJson(json: string): Resource {
  return parseResourceJson(json);
}

/** The document that travels. */
export function resourceToJson(resource: Resource): string {
  return JSON.stringify(toJson(resource));
}
