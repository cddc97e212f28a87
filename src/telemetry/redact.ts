/**
 * Makes log fields safe and bounded: values under a name that says secret, statement or bind values become `[redacted]`, errors become
 * plain objects with their code and causes, buffers only their length, long text is cut, deep objects end.
 */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(fields: object, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let count = 0;
  for (const [name, value] of Object.entries(fields)) {
    count += 1;
    if (count > MAX_ITEMS) {
      out['more_fields'] = true;
      break;
    }
    out[name] = isSensitive(name) ? '[redacted]' : plain(value, depth);
  }
  return out;
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}[cut]` : value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? '[function]' : value;
  if (depth >= MAX_DEPTH) return '[deep]';
  if (value instanceof Error) return plainError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => plain(item, depth + 1));
  return redactObject(value, depth + 1);
}

function plainError(error: Error, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = { type: error.name, message: plain(error.message, depth) };
  if ('code' in error && (typeof error.code === 'string' || typeof error.code === 'number')) out['code'] = error.code;
  if (error.stack !== undefined) out['stack'] = plain(error.stack, depth);
  if (error.cause !== undefined) out['cause'] = plain(error.cause, depth + 1);
  return out;
}

/** Whole words of a snake, kebab or camel case name; plural counts too. */
function isSensitive(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  if (words.some((word) => SENSITIVE_WORDS.has(word) || SENSITIVE_WORDS.has(word.replace(/s$/, '')))) return true;
  return SENSITIVE_NAMES.has(words.join('_'));
}

const SENSITIVE_WORDS: ReadonlySet<string> = new Set([
  'password', 'passwd', 'passphrase', 'secret', 'token', 'credential', 'authorization', 'cookie', 'otp', 'totp', 'sql', 'query', 'statement', 'parameter', 'bind', 'pem',
]); // prettier-ignore
const SENSITIVE_NAMES: ReadonlySet<string> = new Set([
  'private_key', 'privatekey', 'key_pem', 'one_time_code', 'cancel_key', 'secret_key', 'api_key', 'invitation', 'invite_link',
]); // prettier-ignore

const MAX_TEXT = 8 * 1024;
const MAX_ITEMS = 100;
const MAX_DEPTH = 5;
