import { createPrivateKey, X509Certificate } from 'node:crypto';
import { fromJsonString } from '@bufbuild/protobuf';
import type { PollClientLoginResponse_State as PollState } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { SignInResponseSchema, type SignInResponse } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { openSealed, sealContext } from '../../pki/client-seal.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import { newKeys } from './auth.fixture.ts';

/** For tests: tsh as it signs in by way of a browser. */
export class TestClient {
  readonly keys = newKeys();
  readonly sealKeys = newKeys();
  readonly callbackUrl = 'http://127.0.0.1:41234/a-secret-path';
  requestId = '';
  url = '';
  userCode = '';
  pollSecret = '';
  readonly #connection: AuthConnection;

  constructor(connection: AuthConnection) {
    this.#connection = connection;
  }

  /** With a callback address, or (`polls`) a code. */
  async start(
    how: {
      readonly polls?: boolean;
      readonly callbackUrl?: string;
      readonly ttlSeconds?: number;
      readonly connector?: string;
    } = {},
  ): Promise<this> {
    const answer = await this.#connection.client.startClientLogin({
      publicKey: this.keys.publicKey,
      sealKey: this.sealKeys.publicKey,
      callbackUrl: how.polls === true ? '' : (how.callbackUrl ?? this.callbackUrl),
      ttlSeconds: how.ttlSeconds ?? 0,
      connector: how.connector ?? '',
      hostName: 'workstation',
    });
    Object.assign(this, answer);
    return this;
  }

  /** A confirmation; the connection is a person's. */
  async confirm(description: string): Promise<this> {
    const answer = await this.#connection.client.startMfaConfirmation({
      sealKey: this.sealKeys.publicKey,
      callbackUrl: this.callbackUrl,
      hostName: 'workstation',
      description,
    });
    Object.assign(this, answer);
    return this;
  }

  poll(): Promise<{ readonly state: PollState; readonly sealed: Uint8Array; readonly pollSeconds: number }> {
    return this.#connection.client.pollClientLogin({ requestId: this.requestId, pollSecret: this.pollSecret });
  }

  /** What the redirect of a decision carries, opened with this client's key. */
  opened(redirectUrl: string): string {
    const sealed = new URL(redirectUrl).searchParams.get('response') ?? '';
    return this.open(Buffer.from(sealed, 'base64url'));
  }

  open(sealed: Uint8Array): string {
    return openSealed(createPrivateKey(this.sealKeys.privateKey), sealed, sealContext(this.requestId)).toString();
  }

  signIn(text: string): SignInResponse & { readonly leaf: X509Certificate } {
    const answer = fromJsonString(SignInResponseSchema, text);
    return { ...answer, leaf: new X509Certificate(answer.certificate) };
  }
}
