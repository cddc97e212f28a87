import { z } from 'zod';
import { splitHostPort } from '../resource/schema/fields.ts';
import type { Address, AuditDestination } from './schema.ts';

/** The building blocks of `tessera.yaml` that resource files do not have. */

const sizeUnits: { readonly [unit: string]: number } = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** Bytes, or undefined when the text is not a size. `64KiB`, `1GiB`, `10000B`. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12}) ?(B|KiB|MiB|GiB|TiB)$/.exec(text);
  const bytes = Number(match?.[1]) * (sizeUnits[match?.[2] ?? ''] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size between two bounds (in bytes), as text with a unit. */
export function size(least: number, most: number) {
  return z.union([z.string(), z.number()]).transform((value, context) => {
    const bytes = typeof value === 'string' ? parseSize(value) : undefined;
    if (bytes !== undefined && bytes >= least && bytes <= most) return bytes;
    const bounds =
      bytes === undefined ? 'with a unit such as 64KiB or 1GiB' : `between ${printSize(least)} and ${printSize(most)}`;
    context.addIssue({
      code: 'custom',
      message: `expected a size ${bounds}, got ${JSON.stringify(value).slice(0, 40)}`,
    });
    return z.NEVER;
  });
}

/** The shortest exact text. */
export function printSize(bytes: number): string {
  const unit = ['TiB', 'GiB', 'MiB', 'KiB'].find((name) => bytes > 0 && bytes % (sizeUnits[name] ?? 1) === 0) ?? 'B';
  return `${bytes / (sizeUnits[unit] ?? 1)}${unit}`;
}

/** A count between two bounds. */
export function count(least: number, most: number) {
  return z.int().min(least).max(most);
}

/** host:port. `listen`: port 0 lets the system choose. */
export function address(use: 'listen' | 'dial') {
  return z
    .string()
    .max(300)
    .transform((value, context): Address => {
      const found = splitHostPort(value);
      if (found !== undefined && (use === 'listen' || found.port > 0)) return found;
      context.addIssue({
        code: 'custom',
        message: `expected host:port such as ${use === 'listen' ? '0.0.0.0:3080' : 'access.example.com:3080'}, got ${JSON.stringify(value).slice(0, 80)}`,
      });
      return z.NEVER;
    });
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
export const network = z
  .string()
  .refine(isNetwork, { error: 'expected a network such as 192.0.2.0/24 or 2001:db8::/32' });

/** `file:///var/lib/tessera/log` or `stdout://`. */
export const auditUri = z.string().transform((value, context): AuditDestination => {
  if (value === 'stdout://') return { type: 'stdout' };
  const file = /^file:\/\/(\/[^?#\0]*)$/.exec(value);
  if (file?.[1] !== undefined) return { type: 'file', directory: file[1] };
  const scheme = /^([a-z0-9+]+):\/\//.exec(value)?.[1];
  const message =
    scheme === 'file'
      ? 'expected an absolute path such as file:///var/lib/tessera/log'
      : `${scheme === undefined ? 'expected' : `${scheme}:// is not supported yet: expected`} file:///path or stdout://`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** A path of a file or folder. Relative ones would depend on where the program was started. */
export const absolutePath = z
  .string()
  .max(4096)
  .refine((value) => value.startsWith('/') && !value.includes('\0'), { error: 'expected an absolute path' });

/** `sha256:` and 64 hexadecimal digits, in any case; lower case afterwards. */
export const caPin = z.string().transform((value, context) => {
  const lower = value.toLowerCase();
  if (/^sha256:[0-9a-f]{64}$/.test(lower)) return lower;
  context.addIssue({
    code: 'custom',
    message: 'expected sha256: and 64 hexadecimal digits, as printed by "tessera status"',
  });
  return z.NEVER;
});

/** A string or a list, as a list of at least one. */
export function oneOrMore<T extends z.ZodType>(inner: T) {
  return z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(inner).min(1).max(1000));
}

function isNetwork(value: string): boolean {
  const [base = '', bits, ...rest] = value.split('/');
  if (rest.length > 0) return false;
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(base);
  const isFour = four !== null && four.slice(1).every((part) => Number(part) <= 255);
  const isSix = /^[0-9a-f:.]+$/i.test(base) && base.includes(':') && URL.canParse(`http://[${base}]/`);
  if (!isFour && !isSix) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isFour ? 32 : 128));
}
