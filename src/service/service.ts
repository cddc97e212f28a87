import type { Config } from '../config/schema.ts';

/** What each of the three services is to the process that runs it (src/service/process.ts). */
export interface RunningService {
  readonly name: 'auth' | 'proxy' | 'database';
  /** Listening addresses by purpose, `host:port`, after start (port 0 in the configuration gives the real one here). */
  readonly addresses: Readonly<Record<string, string>>;
  /** False with the reason while it can not do its work fully (not joined yet, Auth away, no tunnel): `/readyz`. */
  readiness(): { readonly ready: boolean; readonly reason?: string };
  /** New settings that can change without cutting a session; logs what needs a restart. */
  reload(config: Config): Promise<void>;
  /** No new sessions; resolves when the last one ended or the time is over, then everything is closed. */
  drain(timeoutMs: number): Promise<void>;
}
