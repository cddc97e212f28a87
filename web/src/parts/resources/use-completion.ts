import type { CompletionSource } from '@codemirror/autocomplete';
import { useCallback, useEffect, useRef } from 'react';
import { namesOf, type Cluster } from './known-names.ts';
import { suggestionsAt } from './suggestions.ts';

/** Completion by a JSON Schema and what the cluster has. The same function at every render, so that the editor is not built anew when names arrive. */
export function useCompletion(schema: unknown, cluster: Cluster): CompletionSource {
  const latest = useRef({ schema, cluster });
  useEffect(() => {
    latest.current = { schema, cluster };
  }, [schema, cluster]);
  return useCallback((context) => {
    const now = latest.current;
    const found = suggestionsAt(context.state.doc.toString(), context.pos, now.schema, namesOf(now.cluster));
    if (found === undefined) return null;
    // While somebody types; in an empty place only when it is asked for.
    if (!context.explicit && found.from === context.pos) return null;
    return {
      from: found.from,
      options: found.all.map((one) => ({ label: one.label, apply: one.apply, detail: one.detail })),
    };
  }, []);
}
