/**
 * One JSON log line as a person reads it: time of day, level, message, then `name=value` pairs, the error's text at the end. Control
 * characters never reach the terminal raw.
 */
export function formatLine(line: string): string {
  let fields: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== 'object' || parsed === null) return line;
    fields = Object.fromEntries(Object.entries(parsed));
  } catch {
    return line;
  }
  const { level, time, message, err, ...rest } = fields;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const pairs = Object.entries(rest).map(([name, value]) => ` ${name}=${printed(value)}`);
  const head = `${clock} ${words(level).toUpperCase().padEnd(5)} ${words(message)}`;
  return `${head}${pairs.join('')}${errorText(err)}\n`;
}

function printed(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value;
  return harmless(JSON.stringify(value) ?? 'undefined');
}

function errorText(err: unknown): string {
  if (typeof err !== 'object' || err === null) return err === undefined ? '' : ` err=${printed(err)}`;
  const message = 'message' in err ? words(err.message) : '';
  const code = 'code' in err ? ` (${words(err.code)})` : '';
  const cause = 'cause' in err ? `: ${errorText(err.cause).trim()}` : '';
  return ` ${message}${code}${cause}`;
}

function words(value: unknown): string {
  return harmless(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
}

function harmless(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
