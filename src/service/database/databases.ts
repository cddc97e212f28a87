import { resolve, sep } from 'node:path';

import type { DatabaseServiceConfig } from '../../config/schema.ts';
import { isSupported } from '../../engine/registry.ts';
import { compilePattern } from '../../resource/pattern.ts';
import type { Database, Labels } from '../../resource/resource.ts';
import type { Log } from '../../telemetry/log.ts';

export type Origin = 'config' | 'dynamic';
export type ServedDatabase = { readonly database: Database; readonly origin: Origin };

/**
 * The databases that this agent serves: those of its file, and `db` resources whose labels match `resources`. One of the file wins over a resource of its name. A database
 * that goes away is not offered any more; its sessions live on until they end (a lock on `db_service` ends them).
 */
export class ServedDatabases {
  readonly #log: Log;
  readonly #onChange: () => void;
  #static = new Map<string, Database>();
  #settings: DynamicSettings = { resources: [] };
  #dynamic: readonly Database[] = [];
  #served = new Map<string, ServedDatabase>();

  /** `onChange` is called after a set changed: announce, check, tell Auth. */
  constructor(options: { readonly log: Log; readonly onChange: () => void }) {
    this.#log = options.log;
    this.#onChange = options.onChange;
  }

  /** From tessera.yaml, at start and at reload; `ca_cert` is filled in. */
  configure(databases: readonly Database[], settings: DynamicSettings): void {
    this.#static = new Map(databases.map((database) => [database.metadata.name, database]));
    this.#settings = settings;
    this.#update();
  }

  /** All `db` resources of the cluster, whenever they changed. */
  useDynamic(databases: readonly Database[]): void {
    this.#dynamic = databases;
    this.#update();
  }

  get(name: string): ServedDatabase | undefined {
    return this.#served.get(name);
  }

  all(): readonly ServedDatabase[] {
    return [...this.#served.values()];
  }

  #update(): void {
    const next = new Map<string, ServedDatabase>();
    for (const [name, database] of this.#static) this.#add(next, name, { database, origin: 'config' });
    for (const database of this.#dynamic) {
      const { name, labels } = database.metadata;
      if (!next.has(name) && this.#settings.resources.some((matcher) => matchesLabels(matcher.labels, labels ?? {}))) {
        this.#add(next, name, { database, origin: 'dynamic' });
      }
    }
    if (sameSet(this.#served, next)) return;
    this.#served = next;
    this.#onChange();
  }

  #mayRead(file: string): boolean {
    const { passwordDir } = this.#settings;
    return passwordDir !== undefined && resolve(file).startsWith(resolve(passwordDir) + sep);
  }

  #add(next: Map<string, ServedDatabase>, name: string, served: ServedDatabase): void {
    const { protocol, password_file: file } = served.database.spec;
    if (!isSupported(protocol)) {
      this.#log.warn({ db_service: name, protocol }, 'database is not served: its protocol is not supported');
    } else if (served.origin === 'dynamic' && file !== undefined && !this.#mayRead(file)) {
      // Else whoever may write `db` could have any of this machine's secrets shown to a server of his own.
      this.#log.warn(
        { db_service: name },
        'database is not served: its password_file is not in db_service.password_dir',
      );
    } else {
      next.set(name, served);
    }
  }
}

/** What of the configuration says which `db` resources are served. */
export type DynamicSettings = Pick<DatabaseServiceConfig, 'resources' | 'passwordDir'>;

/** Keys AND, values OR; both may be patterns as in roles, and `*: *` is everything. An empty matcher matches nothing. */
export function matchesLabels(matcher: { readonly [key: string]: readonly string[] }, labels: Labels): boolean {
  const keys = Object.keys(matcher);
  return keys.length > 0 && keys.every((key) => matchesKey(key, matcher[key] ?? [], labels));
}

function matchesKey(key: string, values: readonly string[], labels: Labels): boolean {
  if (key === '*' && values.includes('*')) return true;
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  return value !== undefined && values.some((pattern) => compilePattern(pattern).matches(value));
}

function sameSet(before: ReadonlyMap<string, ServedDatabase>, next: ReadonlyMap<string, ServedDatabase>): boolean {
  if (before.size !== next.size) return false;
  for (const [name, { database, origin }] of next) {
    const old = before.get(name);
    if (old === undefined || old.origin !== origin || JSON.stringify(old.database) !== JSON.stringify(database))
      return false;
  }
  return true;
}
