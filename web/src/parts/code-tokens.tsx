import { createHighlighterCore, type HighlighterCore, type ThemedTokenWithVariants } from 'shiki/core';
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript';
import { use, useMemo, type CSSProperties, type ReactNode } from 'react';

let loading: Promise<HighlighterCore> | undefined;

/** The text in coloured spans; both schemes' colours travel as variables, so that changing the scheme costs nothing. What can not be highlighted stays plain. */
export function Tokens({ text, language }: { readonly text: string; readonly language: 'sql' | 'json' }): ReactNode {
  const highlighter = use((loading ??= load()));
  const lines = useMemo(() => tokensOf(highlighter, text, language), [highlighter, text, language]);
  if (lines === undefined) return text;
  return lines.map((line, row) => (
    <span key={row}>
      {row > 0 && '\n'}
      {line.map((token, column) => (
        <span key={column} className="token" style={styleOf(token)}>
          {token.content}
        </span>
      ))}
    </span>
  ));
}

function load(): Promise<HighlighterCore> {
  return createHighlighterCore({
    themes: [import('shiki/themes/github-light-high-contrast.mjs'), import('shiki/themes/github-dark.mjs')],
    langs: [import('shiki/langs/sql.mjs'), import('shiki/langs/json.mjs')],
    engine: createJavaScriptRegexEngine({ forgiving: true }),
  });
}

function tokensOf(highlighter: HighlighterCore, text: string, lang: string): ThemedTokenWithVariants[][] | undefined {
  try {
    return highlighter.codeToTokensWithThemes(text, {
      lang,
      themes: { light: 'github-light-high-contrast', dark: 'github-dark' },
    });
  } catch {
    return undefined;
  }
}

function styleOf(token: ThemedTokenWithVariants): CSSProperties {
  const { light, dark } = token.variants;
  return { '--token-light': light?.color, '--token-dark': dark?.color } as CSSProperties;
}
