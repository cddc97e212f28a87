import { addressText } from '../address-text.ts';
import type { Address } from '../../config/schema.ts';
import type { ProxyServer } from '../../resource/resource.ts';

/**
 * Which proxies this agent dials: those of tessera.yaml and those that Auth knows. A proxy that is reached by a configured address is not dialled by its public one too:
 * its second tunnel would replace the first.
 */
export class ProxyAddresses {
  readonly #onChange: (addresses: readonly string[]) => void;
  #configured: readonly string[] = [];
  #known: readonly ProxyServer[] = [];
  /** Host id that last answered at a configured address. */
  readonly #answered = new Map<string, string>();
  #last = '';

  constructor(onChange: (addresses: readonly string[]) => void) {
    this.#onChange = onChange;
  }

  configure(addresses: readonly Address[]): void {
    this.#configured = addresses.map(addressText);
    for (const address of this.#answered.keys())
      if (!this.#configured.includes(address)) this.#answered.delete(address);
    this.#update();
  }

  useKnown(proxies: readonly ProxyServer[]): void {
    this.#known = proxies;
    this.#update();
  }

  /** A dial succeeded: `hostId` sits at `address`. */
  answered(address: string, hostId: string): void {
    if (!this.#configured.includes(address) || this.#answered.get(address) === hostId) return;
    this.#answered.set(address, hostId);
    this.#update();
  }

  all(): readonly string[] {
    const reached = new Set(this.#answered.values());
    const others = this.#known
      .filter(({ spec }) => spec.public_addr !== '' && !reached.has(spec.host_id))
      .map(({ spec }) => spec.public_addr);
    return [...new Set([...this.#configured, ...others])];
  }

  #update(): void {
    const addresses = this.all();
    const text = addresses.join(' ');
    if (text === this.#last) return;
    this.#last = text;
    this.#onChange(addresses);
  }
}
