import { readFileSync } from 'node:fs';
import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { parseResources } from '../../resource/parse.ts';
import { toJson } from '../../resource/print.ts';
import type { Resource } from '../../resource/resource.ts';
import type { Outcome } from '../command.ts';
import { failure, failureCode, failureText, UsageError } from '../failure.ts';
import type { Io } from '../io.ts';
import { say, tell } from '../io.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';
import { WRITABLE } from './resources.ts';

/** Creates every document of a file (`-`: stdin). Each is all or nothing; the first that fails ends the command and says what was done. */
export async function create(
  io: Io,
  globals: Globals,
  file: string | undefined,
  options: { readonly file?: string | undefined; readonly force?: boolean | undefined },
): Promise<Outcome> {
  const path = options.file ?? file;
  if (path === undefined) throw new UsageError('which file? tessera create -f <file.yaml>, or -f - for stdin');
  const resources = await readResources(io, path);
  const mode = options.force === true ? PutResourceRequest_Mode.UPSERT : PutResourceRequest_Mode.CREATE;
  await withAuth(io, globals, async (connection) => {
    for (const [index, resource] of resources.entries()) {
      const label = `${resource.kind}/${resource.metadata.name}`;
      try {
        await connection.client.putResource({ json: toApiJson(resource), mode });
      } catch (error) {
        throw stopped(error, label, index, resources.length);
      }
      say(io, `${label} was ${options.force === true ? 'set' : 'created'}`);
    }
  });
  const first = resources[0];
  if (first !== undefined && resources.length === 1) say(io, `Next: tessera get ${first.kind}/${first.metadata.name}`);
}

/** All documents of a file, checked as the Auth Service will; every problem at once with file, line and column. */
export async function readResources(io: Io, path: string): Promise<readonly Resource[]> {
  const text = path === '-' ? await readAll(io) : readText(path);
  const resources = parseResources(text, path === '-' ? 'stdin' : path);
  if (resources.length === 0)
    throw failure('NOTHING_TO_CREATE', `${path} has no document`, 'see a document to start from: tessera get role');
  for (const resource of resources) {
    if (!WRITABLE.has(resource.kind))
      throw failure(
        'KIND_NOT_WRITABLE',
        `${resource.kind} can not be created: services report it themselves`,
        `kinds: ${[...WRITABLE].join(', ')}`,
      );
  }
  return resources;
}

/** The document as the API takes it: the public YAML shape as JSON. */
export function toApiJson(resource: Resource): string {
  return JSON.stringify(toJson(resource));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw failure(
      'FILE_UNREADABLE',
      `${path} can not be read: ${failureText(error)}`,
      'give the path of a YAML file, or - for stdin',
      error,
    );
  }
}

async function readAll(io: Io): Promise<string> {
  if (io.stdin.isTTY === true) tell(io, 'reading documents from the terminal, end with Ctrl-D');
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function stopped(error: unknown, label: string, done: number, total: number): Error {
  const rest =
    total > 1
      ? ` (${done} of ${total} documents were done before it, ${total - done - 1} after it were not tried)`
      : '';
  const todo =
    failureCode(error) === 'already_exists'
      ? 'to replace it: --force; to change it: tessera edit ' + label
      : 'correct the document and run the command again';
  return failure('CREATE_FAILED', `${label}: ${failureText(error)}${rest}`, todo, error);
}
