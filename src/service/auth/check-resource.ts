import type { CheckResourceRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { ConfigError } from '../../errors.ts';
import { resourceToJson } from '../../rpc/convert.ts';
import { kinds } from '../../resource/kinds.ts';
import { parseResources } from '../../resource/parse.ts';
import { parseYaml } from '../../resource/document.ts';
import type { Resource } from '../../resource/resource.ts';

/** For an editor: reads a text as `tessera create` does, with every problem's place, and changes nothing. Whether what it names exists is said when it is written. */
export async function checkResource({ text, kind }: CheckResourceRequest) {
  try {
    const resources = parseResources(text, PATH, { maxResourceFileBytes: MAX_BYTES });
    const problems = [
      ...(resources.length === 0 ? [`${PATH}:1:1: there is no resource in it`] : []),
      ...notOfKind(resources, kind, text),
    ];
    if (problems.length > 0) return { problems: problems.map(placed), json: [] };
    return { problems: [], json: resources.map((resource) => resourceToJson(resource)) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems.slice(0, MAX_PROBLEMS).map(placed), json: [] };
  }
}

/** Those of another kind than the editor is for, and those that nobody writes. */
function notOfKind(resources: readonly Resource[], wanted: string, text: string): string[] {
  const wrong = (resource: Resource): boolean =>
    wanted === '' ? !kinds[resource.kind].editable : resource.kind !== wanted;
  if (!resources.some(wrong)) return [];
  const documents = parseYaml(text, PATH, { maxBytes: MAX_BYTES, maxBytesName: 'maxResourceFileBytes' });
  return documents.flatMap((document, index) => {
    const resource = resources[index];
    if (resource === undefined || !wrong(resource)) return [];
    const what = wanted === '' ? `${resource.kind} is kept by the services and can not be written` : `expected ${wanted}, got ${resource.kind}`; // prettier-ignore
    return [`${document.place(['kind'])}: kind: ${what}`];
  });
}

/** `text:12:3: what` in its parts. */
function placed(problem: string): { line: number; column: number; message: string } {
  const [, line, column, message] = PLACED.exec(problem) ?? [];
  if (message === undefined) return { line: 0, column: 0, message: problem };
  return { line: Number(line), column: Number(column), message };
}

const PATH = 'text';
const PLACED = /^text:(\d+):(\d+): (.*)$/s;
/** maxResourceFileBytes of an editor: it asks while somebody types. */
const MAX_BYTES = 256 * 1024;
const MAX_PROBLEMS = 100;
