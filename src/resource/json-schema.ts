import { z } from 'zod';
import { kindNames, kinds, schemas } from './kinds.ts';
import type { Kind } from './resource.ts';

/**
 * The JSON Schema (draft 2020-12) of what people write of a kind, for the completion and hints of an editor. It says which keys there are and which words stand in them;
 * what only the reader knows (templates, durations, names) is any text in it. The reader alone decides (parse.ts).
 */
export function jsonSchemaOf(kind: Kind): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(schemas[kind], {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // Keys of the ecosystem's files that are taken, or refused when they say something, but never acted upon.
      if (zodSchema._zod.def.type === 'unknown') Object.assign(jsonSchema, { deprecated: true, description: NOT_USED });
    },
  });
  return { ...schema, title: kind };
}

const NOT_USED = 'Tessera does not act on it';

/** Those that people write. */
export function editableKinds(): readonly Kind[] {
  return kindNames.filter((kind) => kinds[kind].editable);
}
