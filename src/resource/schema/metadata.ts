import { z } from 'zod';
import { kept, labels, nameOf, optional, text, time } from './fields.ts';

/** `metadata` of every kind. `namespace`, `id` and `revision` of the ecosystem's dumps are accepted and dropped. */
export function metadataOf(name: z.ZodType<string, unknown> = nameOf('name')) {
  return z
    .strictObject({
      name,
      description: optional(text),
      labels: optional(labels),
      expires: optional(time),
      namespace: kept,
      id: kept,
      revision: kept,
    })
    .transform((metadata) =>
      compact({
        name: metadata.name,
        description: metadata.description,
        labels: metadata.labels,
        expires: metadata.expires,
      }),
    );
}

/** What may stand beside kind, version, metadata and spec in a dump: dropped. */
export const envelope = { sub_kind: kept, status: kept } as const;

/** The same without the keys whose value is undefined. */
export function compact<T extends object>(value: T): { [K in keyof T]: undefined extends T[K] ? T[K] : T[K] } {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as T;
}
