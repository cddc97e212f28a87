import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { Outcome } from '../command.ts';
import { failure, failureCode, failureText, UsageError } from '../failure.ts';
import { printMachine } from '../format.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';
import { readResources, toApiJson } from './create.ts';
import { parseJson } from './json.ts';
import { parseReference, WRITABLE } from './resources.ts';

/**
 * Opens one resource in `$VISUAL` or `$EDITOR` and writes it back as an update of exactly the revision that was read:
 * a change by somebody else in between is told, never overwritten. What was typed is kept in a file whenever it was not stored.
 */
export async function edit(io: Io, globals: Globals, what: string): Promise<Outcome> {
  const reference = parseReference(what);
  const { kind, name } = reference;
  if (name === undefined || !WRITABLE.has(kind))
    throw new UsageError(`"${what}": expected kind/name with a kind of ${[...WRITABLE].join(', ')}`);
  const folder = mkdtempSync(join(tmpdir(), 'tessera-edit-'));
  const path = join(folder, `${kind}.yaml`);
  let keep = false;
  try {
    await withAuth(io, globals, async (connection) => {
      const { resource } = await connection.client.getResource({ kind, name });
      const before = `${await printMachine('yaml', parseJson(resource?.json ?? '{}'))}\n`;
      writeFileSync(path, before, { mode: 0o600 });
      await runEditor(io, path);
      if (readFileSync(path, 'utf8') === before) {
        say(io, `${kind}/${name} was not changed`);
        return;
      }
      keep = true;
      const edited = await readResources(io, path);
      const [document, ...others] = edited;
      if (document === undefined || others.length > 0 || document.kind !== kind || document.metadata.name !== name) {
        throw failure(
          'EDIT_OTHER',
          `expected one document of ${kind}/${name}`,
          `kind and name can not be changed here; your text is in ${path}`,
        );
      }
      await connection.client.putResource({
        json: toApiJson(document),
        mode: PutResourceRequest_Mode.UPDATE,
        expectedRevision: resource?.revision ?? 0n,
      });
      keep = false;
      say(io, `${kind}/${name} was changed`);
    });
  } catch (error) {
    throw keep ? notStored(error, what, path) : error;
  } finally {
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
}

async function runEditor(io: Io, path: string): Promise<void> {
  const editor = io.env['VISUAL'] || io.env['EDITOR'] || 'vi';
  // Through the shell because EDITOR may carry arguments ("code --wait"); the path is an argument of its own.
  const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('close', (code) => resolve(code ?? 1));
  const code = await promise;
  if (code !== 0)
    throw failure(
      'EDITOR_FAILED',
      `editor "${editor}" ended with ${code}`,
      'nothing was changed; choose another with EDITOR',
    );
}

function notStored(error: unknown, what: string, path: string): Error {
  const text = failureText(error);
  if (failureCode(error) === 'aborted') {
    return failure(
      'EDIT_CONFLICT',
      `${what} was changed by somebody else while you were editing`,
      `your text is in ${path}; see theirs and edit again: tessera edit ${what}`,
      error,
    );
  }
  return failure('EDIT_REFUSED', `${what} was not changed: ${text}`, `your text is in ${path}`, error);
}
