import { limitKey } from './client-address.ts';

/** How many connections may be open. */
export type ConnectionBounds = { readonly maxConnections: number; readonly maxConnectionsPerClient: number };

/** Counts open connections, in total and per client (an IPv4 address or an IPv6 /64). */
export class ConnectionLimits {
  #bounds: ConnectionBounds;
  #total = 0;
  readonly #perClient = new Map<string, number>();

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }

  /** New bounds; connections that are open stay. */
  use(bounds: ConnectionBounds): void {
    this.#bounds = bounds;
  }

  get total(): number {
    return this.#total;
  }

  /** Counts one more in total; undefined when there are too many. Call the result once the connection is gone; more calls do nothing. */
  enter(): (() => void) | undefined {
    if (this.#total >= this.#bounds.maxConnections) return undefined;
    this.#total += 1;
    return once(() => (this.#total -= 1));
  }

  /** The same for one client; told apart because the client's address may come from a PROXY header. */
  enterFor(ip: string): (() => void) | undefined {
    const key = limitKey(ip);
    const open = this.#perClient.get(key) ?? 0;
    if (open >= this.#bounds.maxConnectionsPerClient) return undefined;
    this.#perClient.set(key, open + 1);
    return once(() => {
      const left = (this.#perClient.get(key) ?? 1) - 1;
      if (left === 0) this.#perClient.delete(key);
      else this.#perClient.set(key, left);
    });
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
