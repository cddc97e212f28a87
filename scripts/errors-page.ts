/**
 * docs/reference/errors.md from the source: every stable code that is written where an error is made. A code that is put together at run time is found by its prefix
 * (`new Reader(name, 'PG_BIND', ...)` makes PG_BIND_TOO_SHORT and its like).
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One place that makes an error. `message`: `…` stands for what is filled in; empty when it is not a literal. */
export type ErrorPlace = {
  readonly code: string;
  readonly className: string;
  readonly file: string;
  readonly message: string;
};

/** The page as it must be. */
export function errorsPage(top: string): string {
  const places = globSync('src/**/*.ts', { cwd: top })
    .filter((file) => !/\.(?:test|fixture|fake|conformance|child)\.ts$/.test(file))
    .sort((a, b) => a.localeCompare(b))
    .flatMap((file) => errorPlaces(file, readFileSync(join(top, file), 'utf8')));
  return `${intro}\n${table(places)}`;
}

/** Every place of one source text, in its order. */
export function errorPlaces(file: string, text: string): ErrorPlace[] {
  const places: ErrorPlace[] = [];
  for (const match of text.matchAll(
    /(new\s+)?(\b[A-Za-z]+)\(\s*'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|BUG|USAGE|CANCELLED)'/g,
  )) {
    const className = classOf(match[2] ?? '', match[1] !== undefined, text.slice(0, match.index));
    if (className === undefined || text[match.index - 1] === '.') continue;
    const message = literalAfter(text, match.index + match[0].length);
    places.push({ code: match[3] ?? '', className, file, message });
  }
  for (const match of text.matchAll(/new Reader\(\s*[`'"]([^`'"]*)[`'"],\s*'([A-Z0-9_]+)'/g)) {
    const message = `${(match[1] ?? '').replaceAll(/\$\{[^}]*\}/g, '…')} …`;
    places.push({ code: `${match[2]}_*`, className: 'ProtocolError', file, message });
  }
  for (const match of text.matchAll(/\[\s*'(STATE_[A-Z_]+)',\s*'([^']*)'\s*\]/g))
    places.push({ code: match[1] ?? '', className: 'StorageError', file, message: `…: ${match[2]}` });
  return places;
}

/** By what is called: a class, its `super`, or a function of ours that makes one. */
function classOf(callee: string, isNew: boolean, before: string): string | undefined {
  if (isNew) return callee.endsWith('Error') ? callee : undefined;
  if (callee === 'super') return [...before.matchAll(/class (\w+)/g)].at(-1)?.[1];
  return makers[callee];
}

const makers: Readonly<Record<string, string>> = { failure: 'TesseraError', fault: 'LoginError' };

function literalAfter(text: string, from: number): string {
  const start = /^\s*,\s*(?=['`"])/.exec(text.slice(from, from + 200));
  if (start === null) return '';
  const at = from + start[0].length;
  const quote = text[at];
  let message = '';
  for (let i = at + 1; i < text.length && text[i] !== quote; i++) {
    if (text[i] === '\\') {
      const escaped = text[++i] ?? '';
      message += escaped === 'n' ? ' ' : escaped;
    } else if (quote === '`' && text[i] === '$' && text[i + 1] === '{') {
      i = endOfPlaceholder(text, i + 2);
      message += '…';
    } else message += text[i];
  }
  return message;
}

function endOfPlaceholder(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return text.length;
}

function table(places: readonly ErrorPlace[]): string {
  const byCode = Map.groupBy(places, (place) => place.code);
  const rows = [...byCode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, all]) => row(code, all));
  return ['| code | class | where | message |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

function row(code: string, places: readonly ErrorPlace[]): string {
  const unique = (values: readonly string[]): string[] => [...new Set(values)].filter((value) => value !== '');
  const classes = unique(places.map((place) => place.className)).join(', ');
  const files = unique(places.map((place) => `\`${place.file.replace(/^src\//, '')}\``)).join('<br>');
  const messages = unique(places.map((place) => place.message.replaceAll('|', '\\|').replaceAll('<', '&lt;')));
  return `| \`${code}\` | ${classes} | ${files} | ${messages.join('<br>')} |`;
}

const intro = `# Error codes

Generated from the source by \`npm run gen\`; do not edit. Codes are stable: they stand in the log (\`err.code\`) and in what commands and services tell each other; messages may change. \`…\` is filled in.
What a database's client hears is the database's own code and words instead (\`src/engine/postgres/refuse.ts\`).

| class | to blame | to do |
| --- | --- | --- |
| \`ProtocolError\` | a peer broke its protocol's rules | find out who is at that address; one connection ended, others go on |
| \`UnsupportedError\` | a peer asked for what Tessera does not do | do it otherwise |
| \`ConfigError\` (\`CONFIG_INVALID\`) | a configuration, resource file or flag | the message names file, line and column of each problem |
| \`LoginError\` | who could not prove who it is, or may not do it | sign in again, ask for a role, look at clocks |
| \`UpstreamError\` | a database, the Auth Service or a proxy is away or said no | look there; retryable ones are tried again |
| \`StorageError\` | a disk or store | look at space and rights; \`STATE_CONFLICT\`: somebody else changed it first |
| \`LimitError\` | a named limit | raise it, or find who needs so much |
| \`TesseraError\` | in commands: what to do stands in the message | do it |
| \`BugError\` (\`BUG\`) | us | report it |
`;
