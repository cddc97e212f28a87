import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { StorageError } from '../errors.ts';

/** The file that holds a host's identity: key, certificate and the authorities it believes, always replaced as one. */

const pems = z.array(z.string().min(1)).readonly();
const somePems = z.array(z.string().min(1)).min(1).readonly();
const storedSchema = z.strictObject({
  version: z.literal(1),
  hostId: z.uuid(),
  clusterName: z.string().min(1),
  certificate: z.string().min(1),
  privateKey: z.string().min(1),
  authorities: z.strictObject({ user: pems, host: somePems, db: pems, 'db-client': pems }),
});

export type StoredIdentity = Readonly<z.infer<typeof storedSchema>>;

/** Undefined when there is none. Throws StorageError when it is there and not readable, not ours, or open to other accounts. */
export async function readIdentityFile(dataDir: string, role: string): Promise<StoredIdentity | undefined> {
  const path = pathOf(dataDir, role);
  let text: string;
  try {
    const file = await open(path, 'r');
    try {
      const { mode } = await file.stat();
      if ((mode & 0o077) !== 0) {
        throw new StorageError(
          'IDENTITY_FILE_OPEN',
          `${path}: expected mode 0600, got 0${(mode & 0o777).toString(8)}; other accounts may have read the key, so remove the file and join again`,
        );
      }
      text = await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    if (error instanceof StorageError) throw error;
    throw new StorageError('IDENTITY_FILE_UNREADABLE', `${path}: cannot be read`, { cause: error });
  }
  try {
    return storedSchema.parse(JSON.parse(text));
  } catch {
    // Without the cause: its text may quote the key.
    throw new StorageError(
      'IDENTITY_FILE_INVALID',
      `${path}: is not an identity file of this version; remove it and join again`,
    );
  }
}

/** Replaces it atomically and durably, mode 0600 in a folder of mode 0700. */
export async function writeIdentityFile(dataDir: string, role: string, identity: StoredIdentity): Promise<void> {
  await writeSecretFile(pathOf(dataDir, role), JSON.stringify(identity));
}

/** Writes beside, syncs, renames: a reader sees the old content or the new, never a part. Mode 0600; the folder is made with 0700. */
export async function writeSecretFile(path: string, content: string): Promise<void> {
  const folder = dirname(path);
  const temporary = `${path}.${randomUUID()}`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new StorageError('SECRET_FILE_UNWRITABLE', `${path}: cannot be written`, { cause: error });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function pathOf(dataDir: string, role: string): string {
  return join(dataDir, role, 'identity.json');
}
