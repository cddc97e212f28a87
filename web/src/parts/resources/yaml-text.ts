import { stringify } from 'yaml';

/** A resource's JSON as the YAML that `tessera get` prints; what is no JSON stays as it is. */
export function yamlOf(json: string): string {
  try {
    return stringify(JSON.parse(json), { lineWidth: 0, aliasDuplicateObjects: false });
  } catch {
    return json;
  }
}
