import type { Diagnostic, LintSource } from '@codemirror/lint';
import type { EditorView } from '@codemirror/view';
import { useCallback, useRef, useState } from 'react';
import { log } from '../events/log-client.ts';
import { problemRange, type Problem } from './place.ts';

/** What the server says of the text: its problems, or the document as it would be stored. */
export type Checked = { readonly text: string; readonly problems: readonly Problem[]; readonly json: string };

/** Asks the server about a text of one resource. Throws when it does not answer. */
export async function checkText(text: string, kind: string, name: string | undefined): Promise<Checked> {
  const { problems, json } = await log.checkResource({ text, kind });
  return { text, problems: [...problems, ...furtherProblems(json, name)], json: json[0] ?? '' };
}

/** The linter of an editor, with the latest answer as state and a way to go to a problem. */
export function useChecked(kind: string, name: string | undefined) {
  const [checked, setChecked] = useState<Checked>();
  const view = useRef<EditorView>(undefined);
  const lint: LintSource = useCallback(
    async (editor): Promise<readonly Diagnostic[]> => {
      view.current = editor;
      const text = editor.state.doc.toString();
      if (text.trim() === '') return [];
      try {
        const answer = await checkText(text, kind, name);
        setChecked(answer);
        return answer.problems.map((problem) => ({
          ...problemRange(text, problem),
          severity: 'error',
          message: problem.message,
        }));
      } catch {
        // Saving says why the server does not answer.
        return [];
      }
    },
    [kind, name],
  );
  const goTo = useCallback((problem: Problem): void => {
    const editor = view.current;
    if (editor === undefined) return;
    const { from } = problemRange(editor.state.doc.toString(), problem);
    editor.dispatch({ selection: { anchor: from }, scrollIntoView: true });
    editor.focus();
  }, []);
  return { checked, setChecked, lint, goTo };
}

/** One document, and of the name that is edited: another name would be another resource. */
function furtherProblems(json: readonly string[], name: string | undefined): readonly Problem[] {
  if (json.length > 1)
    return [{ line: 0, column: 0, message: `one document is edited here, and the text has ${json.length}` }];
  const [document] = json;
  if (document === undefined || name === undefined) return [];
  const written = nameIn(document);
  return written === name
    ? []
    : [{ line: 0, column: 0, message: `metadata.name: the name can not change: expected ${name}, got ${written}` }];
}

function nameIn(json: string): string {
  const document: unknown = JSON.parse(json);
  const metadata: unknown = Reflect.get(Object(document), 'metadata');
  return String(Reflect.get(Object(metadata), 'name'));
}
