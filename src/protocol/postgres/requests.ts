import { LimitError } from '../../errors.ts';
import { Reader } from '../../wire/reader.ts';
import { NO_VALUES, readBindNames, readBoundValues } from './bind.ts';
import type { NameLink } from './names.ts';
import { pendingEntry, type Pending, type PortalMemory, type StatementMemory } from './pending.ts';
import type { Definition, Portal, Statement, StatementText } from './records.ts';
import type { MessageSink, ScannerRules } from './scanner.ts';
import type { SessionState } from './session-state.ts';
import { decodeStatementText, displayName, isPlainName, nameKey } from './text.ts';

/** The client's direction of a conversation: remembers names, reports statements, queues what the database must answer. */
export class Requests implements MessageSink {
  readonly #state: SessionState;
  #lastId = 0;

  constructor(state: SessionState) {
    this.#state = state;
  }

  message(type: number, bytes: Buffer, start: number, end: number, total: number, digest: string | undefined): void {
    switch (type) {
      case 0x42:
        return this.#bind(bytes, start, end, total, digest);
      case 0x45:
        return this.#execute(bytes, start, end);
      case 0x53:
        return this.#sync();
      case 0x50:
        return this.#parse(bytes, start, end, total, digest);
      case 0x51:
        return this.#query(bytes, start, end, total, digest);
      case 0x44:
        return this.#describe(bytes, start, end);
      case 0x43:
        return this.#close(bytes, start, end);
      case 0x46:
        return this.#functionCall(bytes, start, end, total, digest);
      case 0x58:
        return this.#state.observer.terminate?.();
      default:
        return this.#copyEnd();
    }
  }

  #query(bytes: Buffer, start: number, end: number, total: number, digest: string | undefined): void {
    const state = this.#state;
    const stop = digest === undefined ? terminated('postgres: Query', 'PG_QUERY', bytes, start, end) : end;
    const text = decodeStatementText(bytes, start, stop, total, digest);
    const statement = this.#record({ ...this.#blank('query'), text });
    // A simple query destroys the unnamed statement and portal.
    const skipped = state.skipping !== undefined;
    const statementLink = skipped ? undefined : state.statements.change('', undefined, state.group);
    const portalLink = skipped ? undefined : state.portals.change('', undefined, state.group);
    this.#enqueue(pendingEntry('query', state.group, statement, statementLink, portalLink, end - start));
    state.group += 1;
  }

  #parse(bytes: Buffer, start: number, end: number, total: number, digest: string | undefined): void {
    const state = this.#state;
    const reader = new Reader('postgres: Parse', 'PG_PARSE', bytes, start, end);
    const key = reader.cstringLatin1('statement name');
    const from = reader.offset;
    const stop =
      digest === undefined
        ? terminated('postgres: Parse', 'PG_PARSE', bytes, from, end, false)
        : textEnd(bytes, from, end);
    const types: number[] = [];
    if (digest === undefined) {
      reader.skip('query', stop + 1 - from);
      const count = reader.uint16('parameter count');
      for (let index = 0; index < count; index += 1) types.push(reader.uint32('parameter type'));
      reader.end();
    }
    const text = decodeStatementText(bytes, from, stop, total, digest);
    const definition: StatementMemory['definition'] = {
      name: displayName(key),
      text,
      parameterTypes: types,
      state: 'pending',
      cache: undefined,
    };
    state.observer.parse?.(definition);
    if (state.skipping !== undefined) {
      definition.state = 'rejected';
      return;
    }
    const memory: StatementMemory = {
      definition,
      generation: state.statementGeneration,
      memoryBytes: text.text.length * 2 + types.length * 8 + 256,
    };
    const link = state.statements.change(nameKey(key), memory, state.group);
    this.#enqueue(pendingEntry('parse', state.group, undefined, link, undefined, 0));
  }

  #bind(bytes: Buffer, start: number, end: number, total: number, digest: string | undefined): void {
    const state = this.#state;
    const { portal: portalKey, statement: statementKey, reader } = readBindNames(bytes, start, end);
    const link = state.statements.find(nameKey(statementKey));
    const memory = link?.value;
    const cut = digest === undefined ? undefined : { sha256: digest, bodyBytes: total };
    const values = readBoundValues(
      reader,
      memory?.definition.parameterTypes ?? NO_TYPES,
      state.limits.maxValuesBytes,
      cut,
    );
    if (cut === undefined) readResultFormats(reader);
    const portal: Portal = {
      name: displayName(portalKey),
      statementName: memory?.definition.name ?? displayName(statementKey),
      definition: memory?.definition,
      values,
    };
    state.observer.bind?.(portal);
    if (state.skipping !== undefined) return;
    const portalMemory = this.#portalMemory(portal, link, values === NO_VALUES ? 256 : end - start + 256);
    const portalLink = state.portals.change(nameKey(portalKey), portalMemory, state.group);
    this.#enqueue(pendingEntry('bind', state.group, undefined, undefined, portalLink, portalMemory.memoryBytes));
  }

  #portalMemory(portal: Portal, link: NameLink<StatementMemory> | undefined, memoryBytes: number): PortalMemory {
    const { group, statementGeneration, portalGeneration } = this.#state;
    const uncertain =
      link !== undefined &&
      (!isPlainName(link.name) || isUncertain(link, group, statementGeneration, link.value?.generation));
    // A closed name says unknown; what it may still mean, should the Close be refused, is told all the same.
    const doubtful = link !== undefined && (uncertain || link.value === undefined);
    const otherTexts = doubtful ? olderTexts(link) : NO_TEXTS;
    return {
      portal,
      uncertain,
      otherTexts,
      generation: portalGeneration,
      statementGeneration,
      memoryBytes,
      executed: false,
    };
  }

  #execute(bytes: Buffer, start: number, end: number): void {
    const state = this.#state;
    const reader = new Reader('postgres: Execute', 'PG_EXECUTE', bytes, start, end);
    const key = reader.cstringLatin1('portal');
    reader.int32('row limit');
    reader.end();
    const link = state.portals.find(nameKey(key));
    const statement = this.#executed(link, key);
    const entry = pendingEntry('execute', state.group, statement, undefined, undefined, 0);
    entry.portal = link?.value;
    entry.portalGeneration = state.portalGeneration;
    this.#enqueue(entry);
  }

  #describe(bytes: Buffer, start: number, end: number): void {
    const state = this.#state;
    const { target, key } = readTarget('postgres: Describe', 'PG_DESCRIBE', bytes, start, end);
    if (state.skipping !== undefined) return;
    const link = target === 'statement' ? state.statements.find(nameKey(key)) : undefined;
    this.#enqueue(pendingEntry('describe', state.group, undefined, link, undefined, 0));
  }

  #close(bytes: Buffer, start: number, end: number): void {
    const state = this.#state;
    const { target, key } = readTarget('postgres: Close', 'PG_CLOSE', bytes, start, end);
    state.observer.close?.(target, displayName(key));
    if (state.skipping !== undefined) return;
    const name = nameKey(key);
    const statementLink = target === 'statement' ? state.statements.change(name, undefined, state.group) : undefined;
    const portalLink = target === 'portal' ? state.portals.change(name, undefined, state.group) : undefined;
    this.#enqueue(pendingEntry('close', state.group, undefined, statementLink, portalLink, 0));
  }

  /** Int32 function | Int16 n | Int16 format * n | Int16 m | (Int32 length | bytes) * m | Int16 result format. */
  #functionCall(bytes: Buffer, start: number, end: number, total: number, digest: string | undefined): void {
    const state = this.#state;
    const reader = new Reader('postgres: FunctionCall', 'PG_FUNCTION_CALL', bytes, start, end);
    const functionOid = reader.uint32('function');
    const cut = digest === undefined ? undefined : { sha256: digest, bodyBytes: total };
    const values = readBoundValues(reader, NO_TYPES, state.limits.maxValuesBytes, cut);
    if (cut === undefined) {
      reader.uint16('result format');
      reader.end();
    }
    const statement = this.#record({ ...this.#blank('function'), values, functionOid });
    this.#enqueue(pendingEntry('function', state.group, statement, undefined, undefined, end - start));
    state.group += 1;
  }

  #sync(): void {
    const state = this.#state;
    state.skipping = undefined;
    const entry = pendingEntry('sync', state.group, undefined, undefined, undefined, 0);
    state.group += 1;
    entry.maybeIgnored = state.queue.head?.copy === 'in' || state.queue.head?.copy === 'both';
    this.#enqueue(entry);
  }

  #copyEnd(): void {
    const { queue, group } = this.#state;
    // Outside of COPY the database ignores it, so nothing waits for it.
    if (queue.length > 0) this.#enqueue(pendingEntry('copy-end', group, undefined, undefined, undefined, 0));
  }

  #enqueue(entry: Pending): void {
    const { queue, limits, skipping } = this.#state;
    if (skipping !== undefined) {
      this.#state.report(entry, 'skipped', skipping, 0, undefined);
      return;
    }
    if (queue.length >= limits.maxPipelined + pipelineOvershoot) {
      throw new LimitError(
        'PG_PIPELINE_TOO_LONG',
        `postgres: more than maxPipelined ${limits.maxPipelined} messages are unanswered, wait for answers`,
      );
    }
    queue.push(entry);
  }

  #executed(link: NameLink<PortalMemory> | undefined, key: string): Statement {
    const memory = link?.value;
    if (link === undefined || memory === undefined) {
      const otherTexts = link === undefined ? NO_TEXTS : olderPortalTexts(link);
      return this.#record({ ...this.#blank('execute'), portalName: displayName(key), unknown: 'portal', otherTexts });
    }
    const { portal, executed } = memory;
    const { definition } = portal;
    const state = this.#state;
    const uncertain =
      memory.uncertain ||
      state.doubt ||
      !isPlainName(link.name) ||
      isUncertain(link, state.group, state.portalGeneration, memory.generation);
    memory.executed = true;
    return this.#record({
      id: 0,
      kind: 'execute',
      text: definition?.text,
      definition,
      statementName: portal.statementName,
      portalName: portal.name,
      values: portal.values,
      unknown: definition === undefined ? 'statement' : undefined,
      uncertain,
      otherTexts: uncertain ? [...memory.otherTexts, ...olderPortalTexts(link)] : memory.otherTexts,
      // Of another text than the one told before, perhaps: then it is told in full.
      continued: executed && !uncertain,
      functionOid: undefined,
      startedAtMs: state.nowMs,
    });
  }

  #blank(kind: Statement['kind']): Statement {
    return {
      id: 0,
      kind,
      text: undefined,
      definition: undefined,
      statementName: '',
      portalName: '',
      values: undefined,
      unknown: undefined,
      uncertain: false,
      otherTexts: NO_TEXTS,
      continued: false,
      functionOid: undefined,
      startedAtMs: this.#state.nowMs,
    };
  }

  #record(statement: { -readonly [K in keyof Statement]: Statement[K] }): Statement {
    this.#lastId += 1;
    statement.id = this.#lastId;
    this.#state.observer.statement(statement);
    return statement;
  }
}

/** What a client may send after start-up, with caps from the limits. `p` belongs to start-up and is refused. */
export function clientRules(limits: {
  readonly maxStatementBytes: number;
  readonly maxBindBytes: number;
}): ScannerRules {
  return {
    peer: 'client',
    allowed: 'QPBECDHSXFdcf',
    wanted: new Map([
      ['Q', limits.maxStatementBytes],
      ['P', limits.maxStatementBytes],
      ['B', limits.maxBindBytes],
      ['F', limits.maxBindBytes],
      ['E', maxNameBytes],
      ['C', maxNameBytes],
      ['D', maxNameBytes],
      ['S', 0],
      ['X', 0],
      ['c', 0],
      ['f', 0],
    ]),
    copyType: 'd',
  };
}

/** Of an Execute, Close or Describe body: PostgreSQL cuts names at 63 bytes; longer ones than this are refused as unterminated. */
export const maxNameBytes = 8 * 1024;

/** A chunk already read may hold this many more messages when `saturated` turns true. */
const pipelineOvershoot = 65_536;

const NO_TYPES: readonly number[] = [];
const NO_TEXTS: readonly StatementText[] = [];

function isUncertain(
  link: NameLink<unknown>,
  group: number,
  generation: number,
  ownGeneration: number | undefined,
): boolean {
  if (link.state === 'pending' && link.group !== group) return true;
  return link.name !== '' && ownGeneration !== undefined && ownGeneration !== generation;
}

function olderTexts(link: NameLink<StatementMemory>): readonly StatementText[] {
  const texts: StatementText[] = [];
  for (let at = link.before; at !== undefined && texts.length < maxOtherTexts; at = at.before) {
    if (at.value !== undefined && at.state !== 'rejected') texts.push(at.value.definition.text);
  }
  return texts;
}

function olderPortalTexts(link: NameLink<PortalMemory>): readonly StatementText[] {
  const texts: StatementText[] = [];
  for (let at = link.before; at !== undefined && texts.length < maxOtherTexts; at = at.before) {
    const definition: Definition | undefined = at.value?.portal.definition;
    if (definition !== undefined && at.state !== 'rejected') texts.push(definition.text);
  }
  return texts;
}

/** Candidates listed in one statement's record. */
const maxOtherTexts = 8;

function readTarget(
  name: string,
  code: string,
  bytes: Buffer,
  start: number,
  end: number,
): { readonly target: 'statement' | 'portal'; readonly key: string } {
  const reader = new Reader(name, code, bytes, start, end);
  const letter = reader.uint8('target');
  if (letter !== 0x53 && letter !== 0x50)
    throw reader.fault('BAD_TARGET', `target must be S or P, got 0x${letter.toString(16)}`);
  const key = reader.cstringLatin1('name');
  reader.end();
  return { target: letter === 0x53 ? 'statement' : 'portal', key };
}

/** Where the text ends in a cut body: its kept part may hold all of the text and the beginning of what stands behind it. */
function textEnd(bytes: Buffer, start: number, end: number): number {
  const zero = bytes.indexOf(0, start);
  return zero < 0 || zero > end ? end : zero;
}

function readResultFormats(reader: Reader): void {
  const count = reader.uint16('result format count');
  reader.skip('result formats', count * 2);
  reader.end();
}

/** Where the text's zero is; with `last` it must be the body's last byte. */
function terminated(name: string, code: string, bytes: Buffer, start: number, end: number, last = true): number {
  const zero = bytes.indexOf(0, start);
  const reader = new Reader(name, code, bytes, start, end);
  if (zero < 0 || zero >= end) throw reader.fault('UNTERMINATED', 'text has no terminating zero');
  if (last && zero !== end - 1) throw reader.fault('TRAILING', `has ${end - 1 - zero} trailing bytes`);
  return zero;
}
