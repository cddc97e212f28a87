import { ConfigError } from '../errors.ts';
import { hostileShape, parseYaml } from './document.ts';
import { kindNames, kinds, kindOf, schemas } from './kinds.ts';
import { nearest } from './nearest.ts';
import { describeIssues, dotted, type Locate } from './problems.ts';
import type { Kind, Resource, ResourceOf } from './resource.ts';

/**
 * Reads resources. The folder holds the nouns: their types (resource.ts, identity.ts), their shapes in files (schema/), reading and
 * printing. It decides nothing and does no I/O.
 */

/** Of one file with any number of documents. 1 MiB. */
export const maxResourceFileBytes = 1024 * 1024;

/**
 * Every resource of a YAML text (JSON is YAML too), in order. Throws one ConfigError that lists every problem of every document as
 * `path:line:column: key: expected, got, did you mean`. Bounded by `maxResourceFileBytes` and in nesting, aliases and documents.
 */
export function parseResources(
  text: string,
  path: string,
  options: { readonly maxResourceFileBytes?: number } = {},
): Resource[] {
  const maxBytes = options.maxResourceFileBytes ?? maxResourceFileBytes;
  const problems: string[] = [];
  const resources: Resource[] = [];
  for (const document of parseYaml(text, path, { maxBytes, maxBytesName: 'maxResourceFileBytes' })) {
    const result = readResource(document.value, document.place);
    if ('problems' in result) problems.push(...result.problems);
    else resources.push(result.resource);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return resources;
}

/**
 * One resource from JSON: the text, or what `JSON.parse` made of it. Takes what `toJson` gives and what `parseResources` takes. Throws
 * ConfigError with every problem as `key: ...`.
 */
export function parseResourceJson(json: unknown): Resource {
  const result = readResource(fromText(json), (keys) => dotted(keys) || 'resource');
  if ('problems' in result) throw new ConfigError(result.problems.map(withoutPlace));
  return result.resource;
}

/** As `parseResourceJson`, and of this kind. */
export function parseResourceOf<K extends Kind>(kind: K, json: unknown): ResourceOf<K> {
  const resource = parseResourceJson(json);
  if (isKind(resource, kind)) return resource;
  throw new ConfigError([`kind: expected ${kind}, got ${resource.kind}`]);
}

export function isKind<K extends Kind>(resource: Resource, kind: K): resource is ResourceOf<K> {
  return resource.kind === kind;
}

function fromText(json: unknown): unknown {
  if (typeof json !== 'string') return json;
  if (Buffer.byteLength(json) > maxResourceFileBytes)
    throw new ConfigError([
      `resource of ${Buffer.byteLength(json)} bytes exceeds maxResourceFileBytes ${maxResourceFileBytes}`,
    ]);
  try {
    return JSON.parse(json) as unknown;
  } catch {
    throw new ConfigError(['resource: expected a JSON document']);
  }
}

function readResource(
  value: unknown,
  locate: Locate,
): { readonly resource: Resource } | { readonly problems: readonly string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: [`${locate([])}: expected a resource (a map with kind, version, metadata, spec)`] };
  const hostile = hostileShape(value);
  if (hostile !== undefined) return { problems: [`${locate([])}: ${hostile}`] };
  const word: unknown = 'kind' in value ? value.kind : undefined;
  const kind = typeof word === 'string' ? kindOf(word) : undefined;
  if (kind === undefined) return { problems: [`${locate(['kind'])}: kind: ${kindProblem(word)}`] };
  // A user file may say "cap" or "roles": the alias is as good as the kind.
  const document = { ...value, kind };
  const parsed = schemas[kind].safeParse(document);
  if (parsed.success) return { resource: freeze(parsed.data) };
  return { problems: describeIssues(schemas[kind], parsed.error.issues, document, locate) };
}

function kindProblem(word: unknown): string {
  const editable = kindNames.filter((kind) => kinds[kind].editable);
  if (typeof word !== 'string') return `is missing: expected one of ${editable.join(', ')}`;
  const meant = nearest(word, kindNames);
  return `expected one of ${editable.join(', ')}, got ${JSON.stringify(word.slice(0, 64))}${meant === undefined ? '' : `, did you mean ${meant}`}`;
}

/** In JSON the place is the key itself: say it once. */
function withoutPlace(problem: string): string {
  const match = /^(\S+): \1(: .*)$/s.exec(problem);
  return match === null ? problem : `${match[1]}${match[2]}`;
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
