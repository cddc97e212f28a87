import { listAt, textAt, valueAt } from '../../parts/events/event.ts';
import { listsOf } from '../../parts/resources/item.ts';

/** A role in sentences. What stands in it was written by people: each sentence is shown as text. */
export type RoleWords = {
  /** What it opens, and what it lets administer. */
  readonly allows: readonly string[];
  readonly denies: readonly string[];
  /** Limits of sessions. */
  readonly limits: readonly string[];
};

export function roleWords(spec: unknown): RoleWords {
  const allow = valueAt(spec, 'allow');
  const deny = valueAt(spec, 'deny');
  return {
    allows: [...databasesOpened(allow), ...ruleWords(allow, ADMINISTERS), ...otherWords(allow)],
    denies: [...databasesDenied(deny), ...ruleWords(deny, NEVER)],
    limits: optionWords(valueAt(spec, 'options')),
  };
}

/** One line for a list. */
export function roleLine(spec: unknown): string {
  const { allows, denies, limits } = roleWords(spec);
  const all = [...allows, ...denies, ...limits];
  return all.length === 0 ? 'Allows nothing by itself' : all.join('. ');
}

function databasesOpened(allow: unknown): readonly string[] {
  const where = labelWords(allow);
  if (where === '') return [];
  const users = listAt(allow, 'db_users');
  const names = listAt(allow, 'db_names');
  if (users.length === 0) return [`Matches ${where}, but no database user: it opens nothing`];
  const whom = ` as ${anyOr(users, 'any user')}`;
  const what =
    names.length === 0
      ? ', no database name'
      : `, ${names.includes('*') ? 'every database name' : `database ${choice(names)}`}`;
  const replication = listAt(allow, 'db_replication').length > 0 ? ', with replication' : '';
  return [`Opens ${where}${whom}${what}${replication}`];
}

function databasesDenied(deny: unknown): readonly string[] {
  const parts: string[] = [];
  const where = labelWords(deny);
  if (where !== '') parts.push(`Never ${where}`);
  const users = listAt(deny, 'db_users');
  if (users.length > 0) parts.push(`Never as ${anyOr(users, 'any user')}`);
  const names = listAt(deny, 'db_names');
  if (names.length > 0) parts.push(`Never database ${anyOr(names, 'any')}`);
  return parts;
}

/** Empty when no label is asked for: such a role reaches nothing. */
function labelWords(conditions: unknown): string {
  const labels = listsOf(valueAt(conditions, 'db_labels'));
  const expression = textAt(conditions, 'db_labels_expression');
  const every = labels.some(([key]) => key === '*');
  const texts = labels
    .filter(([key]) => key !== '*')
    .map(([key, values]) => `${key}=${values.includes('*') ? 'anything' : choice(values)}`);
  if (expression !== '') texts.push(`labels that match ${expression}`);
  if (texts.length > 0) return `databases with ${texts.join(' and ')}`;
  return every ? 'every database' : '';
}

type RuleVoice = {
  readonly every: string;
  readonly reads: string;
  readonly some: (verbs: readonly string[]) => string;
};
const ADMINISTERS: RuleVoice = { every: 'Administers', reads: 'Reads', some: (verbs) => `May ${choice(verbs, 'and')}` };
const NEVER: RuleVoice = {
  every: 'Never administers',
  reads: 'Never reads',
  some: (verbs) => `May not ${choice(verbs)}`,
};

function ruleWords(conditions: unknown, voice: RuleVoice): readonly string[] {
  const rules = valueAt(conditions, 'rules');
  if (!Array.isArray(rules)) return [];
  return rules.map((rule: unknown) => {
    const verbs = listAt(rule, 'verbs');
    const where = textAt(rule, 'where');
    const what = listAt(rule, 'resources').map(kindWords);
    const verb = verbWords(verbs, voice);
    return `${verb} ${what.length > 5 ? `${what.slice(0, 4).join(', ')} and ${what.length - 4} more` : choice(what, 'and')}${where === '' ? '' : ` where ${where}`}`;
  });
}

function verbWords(verbs: readonly string[], voice: RuleVoice): string {
  const has = (verb: string): boolean => verbs.includes(verb) || verbs.includes('*');
  if (has('create') && has('update') && has('delete') && has('read')) return voice.every;
  return verbs.every((verb) => ['list', 'read', 'readnosecrets'].includes(verb)) ? voice.reads : voice.some(verbs);
}

function otherWords(allow: unknown): readonly string[] {
  const words: string[] = [];
  const asks = listAt(valueAt(allow, 'request'), 'roles');
  if (asks.length > 0) words.push(`May ask for the role ${choice(asks)}`);
  const reviews = listAt(valueAt(allow, 'review_requests'), 'roles');
  if (reviews.length > 0) words.push(`May decide requests for the role ${choice(reviews)}`);
  if (textAt(allow, 'db_local_infile') === 'true') words.push('May send files of the client to MySQL');
  return words;
}

function optionWords(options: unknown): readonly string[] {
  const words: string[] = [];
  const longest = textAt(options, 'max_session_ttl');
  if (longest !== '') words.push(`Sign-ins last ${longest} at most`);
  const idle = textAt(options, 'client_idle_timeout');
  if (idle !== '') words.push(`Idle sessions end after ${idle}`);
  const flags = [
    ['require_session_mfa', 'A second factor for each session'],
    ['pin_source_ip', 'Only from the address of the sign-in'],
    ['disconnect_expired_cert', 'Sessions end with the certificate'],
  ] as const;
  for (const [key, text] of flags) if (textAt(options, key) === 'true') words.push(text);
  const most = textAt(options, 'max_connections');
  if (most !== '') words.push(`${most} connections at once at most`);
  if (textAt(options, 'lock') === 'strict') words.push('No new session while locks are not known');
  return words;
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ['*', 'everything'],
  ['user', 'users'],
  ['role', 'roles'],
  ['token', 'join tokens'],
  ['lock', 'locks'],
  ['db', 'databases'],
  ['db_server', 'agents'],
  ['proxy_server', 'proxies'],
  ['authority', 'authorities'],
  ['event', 'the audit log'],
  ['session', 'sessions'],
  ['auth_connector', 'connectors'],
  ['cluster_auth_preference', 'settings'],
  ['access_request', 'access requests'],
  ['database_certificate', 'database certificates'],
]);

/** A kind as people say it. */
export function kindWords(kind: string): string {
  return KINDS.get(kind) ?? kind;
}

function anyOr(values: readonly string[], any: string): string {
  return values.includes('*') ? any : choice(values);
}

const MOST_CHOICES = 6;

function choice(values: readonly string[], word = 'or'): string {
  const shown = values.slice(0, MOST_CHOICES).map((value) => TRAITS.get(value) ?? value);
  const more = values.length - shown.length;
  if (more > 0) return `${shown.join(', ')} ${word} ${more} more`;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} ${word} ${shown.at(-1) ?? ''}`;
}

const TRAITS: ReadonlyMap<string, string> = new Map([
  ['{{internal.db_users}}', 'any of their db_users'],
  ['{{internal.db_names}}', 'any of their db_names'],
]);
