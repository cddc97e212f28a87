import { TrustedAuthorities } from '../pki/trust.ts';
import type { AuthorityType } from '../resource/resource.ts';
import type { Log } from '../telemetry/log.ts';

export type TrustOptions = {
  readonly clusterName: string;
  /** PEM certificates trusted now; asked at each use, so a rotation counts at once. */
  readonly certificates: (type: AuthorityType) => readonly string[];
  readonly log: Log;
};

/** The cluster's authorities as this host trusts them now; parsed once per change. What Auth tells and can not be parsed is not trusted, and said. */
export class Trust {
  readonly #options: TrustOptions;
  readonly #known = new Map<AuthorityType, { readonly text: string; readonly trusted: TrustedAuthorities }>();

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  of(type: AuthorityType): TrustedAuthorities {
    const certificates = this.#options.certificates(type);
    const text = certificates.join('\n');
    const known = this.#known.get(type);
    if (known?.text === text) return known.trusted;
    const trusted = this.#parse(type, certificates, known?.trusted);
    this.#known.set(type, { text, trusted });
    return trusted;
  }

  #parse(
    type: AuthorityType,
    certificates: readonly string[],
    before: TrustedAuthorities | undefined,
  ): TrustedAuthorities {
    try {
      return new TrustedAuthorities(type, this.#options.clusterName, certificates);
    } catch (error) {
      this.#options.log.error({ err: error, authority: type }, 'new authorities can not be read; the ones before stay');
      return before ?? new TrustedAuthorities(type, this.#options.clusterName, []);
    }
  }
}
