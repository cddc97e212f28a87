import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { LimitError } from '../../errors.ts';

/** Where the built UI comes from: its files by their path below the UI's folder, `index.html`, `assets/main-3f2a.js`. Empty: it was not built. */
export type WebSource = () => Promise<ReadonlyMap<string, Buffer>>;

export type Encoding = 'br' | 'gzip' | 'identity';

/** One file of the UI, in memory with everything that is said of it. */
export class WebFile {
  readonly bytes: Buffer;
  readonly type: string;
  /** For ever: the name has the content's hash in it. */
  readonly immutable: boolean;
  readonly #digest: string;
  readonly #packed = new Map<Encoding, Promise<Buffer>>();

  constructor(name: string, bytes: Buffer) {
    this.bytes = bytes;
    this.type = TYPES[extensionOf(name)] ?? 'application/octet-stream';
    this.immutable = /^assets\/[^/]+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(name);
    this.#digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 27);
  }

  /** The best encoding that `Accept-Encoding` allows. */
  encodingFor(accepted: string | undefined): Encoding {
    if (!COMPRESSED.test(this.type) || this.bytes.length < WORTH_BYTES) return 'identity';
    const names = (accepted ?? '').split(',').map((one) => one.trim().toLowerCase());
    const takes = (name: string): boolean =>
      names.some((one) => one === name || (one.startsWith(`${name};`) && !/;\s*q=0(?:\.0*)?$/.test(one)));
    if (takes('br')) return 'br';
    return takes('gzip') ? 'gzip' : 'identity';
  }

  /** Strong, and another one for each encoding (RFC 9110, section 8.8.3.3). */
  etag(encoding: Encoding): string {
    return `"${this.#digest}${encoding === 'identity' ? '' : `-${encoding}`}"`;
  }

  /** Made once, when first asked for. */
  encoded(encoding: Encoding): Promise<Buffer> {
    if (encoding === 'identity') return Promise.resolve(this.bytes);
    let packed = this.#packed.get(encoding);
    if (packed === undefined) this.#packed.set(encoding, (packed = pack(this.bytes, encoding)));
    return packed;
  }
}

/** A folder's files; empty when there is no such folder. Throws LimitError `WEB_FILES` when it is no built UI by its size. */
export function folderSource(folder: string): WebSource {
  return async () => {
    const files = new Map<string, Buffer>();
    let bytes = 0;
    for (const path of await pathsIn(folder)) {
      const content = await readFile(join(folder, path));
      bytes += content.length;
      if (bytes > MAX_BYTES || files.size >= MAX_FILES)
        throw new LimitError(
          'WEB_FILES',
          `${folder}: more than ${MAX_FILES} files (maxWebFiles) or ${MAX_BYTES} bytes (maxWebFilesBytes), which is no built web UI`,
        );
      files.set(path.split(sep).join('/'), content);
    }
    return files;
  };
}

/** Beside this program, where `npm run build` leaves it. */
export const builtFolder = join(import.meta.dirname, '../../../web/dist');

async function pathsIn(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return (
      entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        // What tools leave for themselves is for nobody.
        .filter((path) => !path.split(sep).some((segment) => segment.startsWith('.')))
        .sort()
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function pack(bytes: Buffer, encoding: 'br' | 'gzip'): Promise<Buffer> {
  if (encoding === 'gzip') return promisify(gzip)(bytes, { level: 9 });
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants;
  return promisify(brotliCompress)(bytes, {
    params: { [BROTLI_PARAM_QUALITY]: 9, [BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
}

function extensionOf(name: string): string {
  return /\.([a-z0-9]+)$/.exec(name)?.[1] ?? '';
}

const TYPES: { readonly [extension: string]: string } = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json; charset=utf-8',
  webmanifest: 'application/manifest+json; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  webp: 'image/webp',
  jpg: 'image/jpeg',
  woff2: 'font/woff2',
  wasm: 'application/wasm',
};
const COMPRESSED = /^(?:text\/|application\/(?:json|manifest|wasm)|image\/(?:svg|x-icon))/;
/** Below, the headers cost more. */
const WORTH_BYTES = 1024;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 5000;
