import { stringify } from 'yaml';
import { formatDuration } from './duration.ts';
import type { Resource } from './resource.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** The resource as plain JSON data in the public shapes (durations as text). `parseResourceJson` reads it back to an equal resource. */
export function toJson(resource: Resource): JsonObject {
  const { kind, version, metadata, spec } = resource;
  return { kind, version, metadata: plain(metadata), spec: printSpec(resource.kind, plain(spec)) };
}

/** As text for people: one YAML document (without `---`), or indented JSON. Ends with a line feed. */
export function printResource(resource: Resource, format: 'yaml' | 'json'): string {
  const json = toJson(resource);
  return format === 'json'
    ? `${JSON.stringify(json, undefined, 2)}\n`
    : stringify(json, { lineWidth: 0, aliasDuplicateObjects: false });
}

const durationKeys: { readonly [kind: string]: readonly string[] } = {
  cluster_auth_preference: ['default_session_ttl', 'session_mfa_ttl', 'web_idle_timeout'],
  oidc: ['max_age'],
  role: ['max_session_ttl', 'client_idle_timeout'],
};

function printSpec(kind: Resource['kind'], spec: JsonValue): JsonValue {
  if (kind === 'db_server' && isObject(spec) && isObject(spec['database'])) {
    return { ...spec, database: { ...spec['database'], spec: printSpec('db', spec['database']['spec'] ?? null) } };
  }
  const keys = durationKeys[kind];
  if (keys === undefined || !isObject(spec)) return spec;
  if (kind === 'role')
    return isObject(spec['options']) ? { ...spec, options: withDurations(spec['options'], keys) } : spec;
  return withDurations(spec, keys);
}

function withDurations(map: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(map).map(([key, value]) => [
      key,
      keys.includes(key) && typeof value === 'number' ? formatDuration(value) : value,
    ]),
  );
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A copy without undefined. */
function plain(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
