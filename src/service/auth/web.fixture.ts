import { ConnectError, type CallOptions, type Client } from '@connectrpc/connect';
import type { AuthService } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { SoftwareAuthenticator } from '../../../test/kit/authenticator.ts';
import type { TestAuth, TestHost, TestUser } from './auth.fixture.ts';

/** For tests: browsers that come over a proxy, as its relay passes them on. */

export const PUBLIC_ADDR = 'access.example.com:3080';
export const ORIGIN = `https://${PUBLIC_ADDR}`;

/** A joined proxy that has announced its public address. Announce again after the clock was moved. */
export async function announce(proxy: TestHost): Promise<void> {
  const record = {
    kind: 'proxy_server',
    version: 'v2',
    metadata: { name: proxy.hostId },
    spec: {
      host_id: proxy.hostId,
      host_name: 'proxy',
      public_addr: PUBLIC_ADDR,
      mysql_public_addr: 'db.example.com:3036',
    },
  };
  await proxy.connection.client.heartbeat({ resources: [JSON.stringify(record)] });
}

/** One browser: a cookie, an address, and a virtual authenticator. */
export class TestBrowser {
  readonly authenticator = new SoftwareAuthenticator({ origin: ORIGIN });
  readonly address: string;
  /** Empty: none. */
  cookie = '';
  /** Seconds, as the cookie was told. */
  maxAge = 0;
  readonly #proxy: TestHost;

  constructor(proxy: TestHost, address = '198.51.100.7') {
    this.#proxy = proxy;
    this.address = address;
  }

  headers(): Record<string, string> {
    return {
      'tessera-web': '1',
      'tessera-client-address': this.address,
      'tessera-web-origin': ORIGIN,
      'tessera-user-agent': 'Test/1.0',
      ...(this.cookie === '' ? {} : { 'tessera-web-session': this.cookie }),
    };
  }

  /** One call; what comes back for the cookie is kept as a browser would. */
  async call<T>(
    run: (client: Client<typeof AuthService>, options: CallOptions) => Promise<T>,
    more: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const options: CallOptions = {
      headers: { ...this.headers(), ...more },
      onHeader: (headers) => this.#keep(headers.get('tessera-set-session')),
    };
    try {
      return await run(this.#proxy.connection.client, options);
    } catch (error) {
      this.#keep(ConnectError.from(error).metadata.get('tessera-set-session'));
      throw error;
    }
  }

  begin(user: string, password: string) {
    return this.call((client, options) => client.beginWebSignIn({ user, password }, options));
  }

  finish(answer: { readonly attempt: string; readonly oneTimeCode?: string; readonly webauthnResponseJson?: string }) {
    return this.call((client, options) => client.finishWebSignIn(answer, options));
  }

  myself() {
    return this.call((client, options) => client.getMyself({}, options));
  }

  /** Password and a code not used before; moves the clock by a step. */
  async signIn(auth: TestAuth, user: TestUser): Promise<void> {
    await this.#nextStep(auth);
    const { attempt } = await this.begin(user.name, user.password);
    await this.finish({ attempt, oneTimeCode: auth.code(user) });
  }

  /** Adds a passkey of this browser's authenticator to the person who is signed in. */
  async addPasskey(auth: TestAuth, user: TestUser): Promise<void> {
    await this.#nextStep(auth);
    const { addition, webauthnOptionsJson } = await this.call((client, options) =>
      client.beginMfaAdd({ kind: 'webauthn', name: 'laptop', proof: { oneTimeCode: auth.code(user) } }, options),
    );
    const webauthnResponseJson = this.authenticator.create(webauthnOptionsJson);
    await this.call((client, options) => client.finishMfaAdd({ addition, webauthnResponseJson }, options));
  }

  // A proxy's presence would end in between.
  async #nextStep(auth: TestAuth): Promise<void> {
    auth.clock.offsetMs += 30_000;
    await announce(this.#proxy);
  }

  #keep(set: string | null): void {
    if (set === null) return;
    const [token = '', seconds = ''] = set.split(';');
    this.cookie = token;
    this.maxAge = Number(seconds);
  }
}
