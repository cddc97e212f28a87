import { MYSQL_TARGETS } from './mysql.ts';
import { POSTGRES_TARGETS } from './postgres.ts';
import { MYSQL_CODEC_TARGETS } from './targets/mysql-codec.ts';
import { TUNNEL_TARGETS } from './targets/tunnel.ts';

/** One decoder under attack. `run` gets one input cut into chunks; throwing a class of src/errors.ts (but BugError) is right, anything else a finding. */
export type FuzzTarget = {
  readonly name: string;
  /** Valid inputs to start from. */
  readonly seeds: readonly Buffer[];
  readonly run: (chunks: readonly Buffer[]) => unknown;
};

/** Every target. To add one: export it from its own file beside this one and put it into this list. */
const ALL: readonly FuzzTarget[] = [...POSTGRES_TARGETS, ...MYSQL_TARGETS, ...MYSQL_CODEC_TARGETS, ...TUNNEL_TARGETS];

/** By name. */
export const TARGETS: ReadonlyMap<string, FuzzTarget> = new Map(ALL.map((target) => [target.name, target]));

/** Names for several targets. */
export const GROUPS: ReadonlyMap<string, readonly string[]> = new Map([
  ['postgres', POSTGRES_TARGETS.map((target) => target.name)],
  ['mysql', MYSQL_TARGETS.map((target) => target.name)],
  ['mysql-codec', MYSQL_CODEC_TARGETS.map((target) => target.name)],
  ['tunnel', TUNNEL_TARGETS.map((target) => target.name)],
  ['all', [...TARGETS.keys()]],
]);
