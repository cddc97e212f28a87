import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { LimitError, StorageError } from '../errors.ts';
import type { KeySealer } from './seal.ts';

/**
 * Seals under a data key from a file: AES-256-GCM, a fresh 96-bit nonce each time, the envelope `v1.<key id>.<nonce>.<ciphertext and tag>` in base64url. The additional data
 * are the version, the key id and the secret's name.
 */

/**
 * Opens the data key file, or makes it (mode 0600, in a folder of mode 0700 when that is missing too) at the first start. Each line is one key, `tessera-data-key-v1 <base64url of 32
 * bytes>`: the first seals, every one opens. Refuses with StorageError `PKI_DATA_KEY_EXPOSED` a file that group or others may read or write, and `PKI_DATA_KEY_MALFORMED` a file of another form.
 */
export function openDataKeyFile(path: string): KeySealer {
  if (!exists(path)) createKeyFile(path);
  return new DataKeySealer(readKeyFile(path));
}

type DataKey = { readonly id: string; readonly key: Buffer };

class DataKeySealer implements KeySealer {
  readonly #sealing: DataKey;
  readonly #keys: ReadonlyMap<string, DataKey>;

  constructor(keys: readonly [DataKey, ...DataKey[]]) {
    this.#sealing = keys[0];
    this.#keys = new Map(keys.map((key) => [key.id, key]));
  }

  async seal(name: string, secret: Uint8Array): Promise<string> {
    if (secret.length > MAX_SECRET_BYTES)
      throw new LimitError(
        'PKI_SECRET_TOO_LARGE',
        `secret of ${secret.length} bytes exceeds maxSecretBytes ${MAX_SECRET_BYTES}`,
      );
    const { id, key } = this.#sealing;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(additionalData(id, name));
    const sealed = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    return `v1.${id}.${nonce.toString('base64url')}.${sealed.toString('base64url')}`;
  }

  async open(name: string, sealed: string): Promise<Buffer> {
    const match = sealed.length > MAX_ENVELOPE_LENGTH ? null : ENVELOPE.exec(sealed);
    const [, id = '', nonce = '', body = ''] = match ?? [];
    const bytes = Buffer.from(body, 'base64url');
    if (match === null || bytes.length < TAG_BYTES)
      throw new StorageError('PKI_UNSEAL_FAILED', 'sealed key: expected a version 1 envelope, got something else');
    const known = this.#keys.get(id);
    if (known === undefined)
      throw new StorageError(
        'PKI_DATA_KEY_UNKNOWN',
        `sealed key: it needs data key ${id}, which the data key file does not have: restore that file`,
      );
    const decipher = createDecipheriv('aes-256-gcm', known.key, Buffer.from(nonce, 'base64url'), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(additionalData(id, name));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES)), decipher.final()]);
    } catch {
      throw new StorageError('PKI_UNSEAL_FAILED', 'sealed key: it was changed, or it was sealed under another name');
    }
  }
}

function additionalData(id: string, name: string): Buffer {
  return Buffer.from(`tessera sealed key v1\0${id}\0${name}`, 'utf8');
}

function exists(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDONLY));
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new StorageError('PKI_DATA_KEY_UNREADABLE', `data key file ${path}: can not be read`, { cause });
  }
}

/** Written beside and linked into place: nobody ever sees half a key, and of two processes that start together both use the first one's. */
function createKeyFile(path: string): void {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const descriptor = openSync(draft, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    try {
      fchmodSync(descriptor, 0o600);
      writeSync(descriptor, `${LINE_TAG} ${randomBytes(KEY_BYTES).toString('base64url')}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    try {
      linkSync(draft, path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    } finally {
      unlinkSync(draft);
    }
    const folder = openSync(dirname(path), constants.O_RDONLY);
    fsyncSync(folder);
    closeSync(folder);
  } catch (cause) {
    throw new StorageError('PKI_DATA_KEY_UNWRITABLE', `data key file ${path}: can not be made`, { cause });
  }
}

function readKeyFile(path: string): readonly [DataKey, ...DataKey[]] {
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    // Asked of the open file, so that it can not be swapped between the question and the reading.
    const { mode, size } = fstatSync(descriptor);
    if ((mode & 0o077) !== 0) {
      throw new StorageError(
        'PKI_DATA_KEY_EXPOSED',
        `data key file ${path}: expected mode 0600, got ${(mode & 0o777).toString(8).padStart(4, '0')}: run chmod 600 and consider its keys known`,
      );
    }
    if (size > MAX_KEY_FILE_BYTES)
      throw new StorageError('PKI_DATA_KEY_MALFORMED', `data key file ${path}: exceeds ${MAX_KEY_FILE_BYTES} bytes`);
    const keys = readFileSync(descriptor, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => parseLine(path, line));
    const [first, ...others] = keys;
    if (first === undefined)
      throw new StorageError('PKI_DATA_KEY_MALFORMED', `data key file ${path}: expected at least one key`);
    return [first, ...others];
  } finally {
    closeSync(descriptor);
  }
}

function parseLine(path: string, line: string): DataKey {
  const [tag, text = '', ...rest] = line.trim().split(' ');
  const key = Buffer.from(text, 'base64url');
  if (tag !== LINE_TAG || key.length !== KEY_BYTES || rest.length > 0) {
    throw new StorageError(
      'PKI_DATA_KEY_MALFORMED',
      `data key file ${path}: expected lines of "${LINE_TAG} <base64url of ${KEY_BYTES} bytes>"`,
    );
  }
  return { id: hash('sha256', Buffer.concat([Buffer.from('tessera data key id\0'), key]), 'hex').slice(0, 16), key };
}

const LINE_TAG = 'tessera-data-key-v1';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAX_SECRET_BYTES = 4096;
const MAX_ENVELOPE_LENGTH = 8192;
const MAX_KEY_FILE_BYTES = 8192;
const ENVELOPE = /^v1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]+)$/;
