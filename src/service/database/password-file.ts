import { open } from 'node:fs/promises';

import { LoginError } from '../../errors.ts';

/** Longer files are no passwords. */
const maxPasswordBytes = 4096;

/**
 * The password in a file, without a final line break; read at each connect, so that a change counts at once. Throws LoginError when the file can not be read, is empty, above 4 KiB, no
 * regular file, or open to other accounts (mode other than 0600 or stricter). The message never shows its content; the client is told nothing of the path.
 */
export async function readPasswordFile(path: string): Promise<string> {
  let content: string;
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if ((mode & 0o170000) !== 0o100000) throw refused(path, 'is not a regular file');
      if ((mode & 0o077) !== 0)
        throw refused(path, `has mode 0${(mode & 0o777).toString(8)}, expected 0600: other accounts can read it`);
      if (size > maxPasswordBytes)
        throw refused(path, `has ${size} bytes, more than maxPasswordBytes ${maxPasswordBytes}`);
      content = await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof LoginError) throw error;
    throw refused(path, 'can not be read', error);
  }
  const password = content.replace(/\r?\n$/u, '');
  if (password === '') throw refused(path, 'is empty');
  return password;
}

function refused(path: string, what: string, cause?: unknown): LoginError {
  return new LoginError('DATABASE_PASSWORD_FILE', `password_file ${path} ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    publicMessage: 'the agent has no usable password for this database',
  });
}
