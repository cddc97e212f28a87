import { lazy, Suspense, type ReactNode } from 'react';

const Tokens = lazy(async () => ({ default: (await import('./code-tokens.tsx')).Tokens }));

/** Above it a text is shown without colours: highlighting would hold up the page. */
const MOST_CHARACTERS = 50_000;

/** SQL with colours, once the highlighter is there; plain until then and for very long texts. Safe with any text: it only ever becomes text nodes. */
export function SqlText({ text, inline }: { readonly text: string; readonly inline?: boolean }): ReactNode {
  return <CodeText text={text} language="sql" inline={inline ?? false} />;
}

/** JSON with colours; a string is shown as it is, anything else is printed with indents. */
export function JsonText({ value }: { readonly value: unknown }): ReactNode {
  return (
    <CodeText
      text={typeof value === 'string' ? value : JSON.stringify(value, null, 2)}
      language="json"
      inline={false}
    />
  );
}

function CodeText(props: {
  readonly text: string;
  readonly language: 'sql' | 'json';
  readonly inline: boolean;
}): ReactNode {
  const body =
    props.text.length > MOST_CHARACTERS ? (
      props.text
    ) : (
      <Suspense fallback={props.text}>
        <Tokens text={props.text} language={props.language} />
      </Suspense>
    );
  if (props.inline) return <code style={{ fontFamily: 'var(--mantine-font-family-monospace)' }}>{body}</code>;
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
    <pre className="code-block" tabIndex={0}>
      <code>{body}</code>
    </pre>
  );
}
