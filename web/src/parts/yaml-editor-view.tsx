import { useComputedColorScheme } from '@mantine/core';
import { autocompletion, type CompletionSource } from '@codemirror/autocomplete';
import { yaml } from '@codemirror/lang-yaml';
import { lintGutter, linter, type LintSource } from '@codemirror/lint';
import { EditorView as CodeMirrorView } from '@codemirror/view';
import CodeMirror, { type Extension } from '@uiw/react-codemirror';
import { useMemo, type ReactNode } from 'react';

export type EditorProps = {
  readonly value: string;
  readonly onChange?: (value: string) => void;
  /** For screen readers: "Role dba as YAML". */
  readonly label: string;
  readonly readOnly?: boolean;
  /** Pixels. */
  readonly height?: number;
  /** Stable across renders, as a new one rebuilds the editor. */
  readonly completion?: CompletionSource;
  readonly lint?: LintSource;
  readonly extensions?: readonly Extension[];
};

/** CodeMirror for YAML. Tab moves the focus on, so that nobody is caught inside by keyboard; Ctrl-Space completes. */
export function EditorView(props: EditorProps): ReactNode {
  const scheme = useComputedColorScheme('light');
  const { completion, lint, extensions, label } = props;
  const all = useMemo(
    () => [
      yaml(),
      CodeMirrorView.lineWrapping,
      readable,
      CodeMirrorView.contentAttributes.of({ 'aria-label': label }),
      ...(completion === undefined ? [] : [autocompletion({ override: [completion] })]),
      ...(lint === undefined ? [] : [linter(lint, { delay: 500 }), lintGutter()]),
      ...(extensions ?? []),
    ],
    [completion, lint, extensions, label],
  );
  return (
    <CodeMirror
      value={props.value}
      onChange={(value) => props.onChange?.(value)}
      theme={scheme}
      height={`${props.height ?? 420}px`}
      extensions={all}
      readOnly={props.readOnly ?? false}
      indentWithTab={false}
      basicSetup={{
        autocompletion: completion === undefined,
        foldGutter: true,
        highlightActiveLine: props.readOnly !== true,
      }}
      style={{
        border: '1px solid var(--mantine-color-default-border)',
        borderRadius: 'var(--mantine-radius-md)',
        overflow: 'hidden',
        fontSize: 13,
      }}
    />
  );
}

// The dark theme's own line numbers and keys are too faint on its background.
const surface = 'light-dark(var(--mantine-color-white), var(--mantine-color-dark-8))';
const readable = CodeMirrorView.theme({
  '&.cm-editor': { backgroundColor: surface },
  '&.cm-editor .cm-gutters': { backgroundColor: surface, color: 'var(--mantine-color-dimmed)' },
});
