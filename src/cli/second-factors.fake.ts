import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { AuthService, MfaProof } from '../../gen/tessera/auth/v1/auth_pb.ts';

/** For tests of this folder: the second factors of the fake cluster's one person. Any proof is {@link FACTOR_CODE} or {@link FACTOR_TOKEN}. */

export const FACTOR_CODE = '654321';
export const FACTOR_TOKEN = 'a token of a confirmation in the browser';

export class FakeFactors {
  devices: { readonly id: string; readonly name: string; readonly kind: 'otp' | 'webauthn' }[] = [];
  /** Databases that need a second factor for each session. */
  readonly demandedBy = new Set<string>();
  /** What was shown, in order. */
  readonly shown: string[] = [];

  /** Throws as Auth does when nothing or something wrong is shown. */
  require(proof: MfaProof | undefined, code: 'SESSION_MFA_REQUIRED' | 'SECOND_FACTOR_MISSING'): void {
    const text = proof === undefined ? '' : proof.oneTimeCode || proof.token;
    if (text === '') throw refusal(code, 'a second factor is needed');
    this.shown.push(text);
    if (text !== FACTOR_CODE && text !== FACTOR_TOKEN) throw refusal('SECOND_FACTOR_REFUSED', 'second factor refused');
  }

  /** The API's methods for them. */
  calls(): Partial<ServiceImpl<typeof AuthService>> {
    return {
      listMfaDevices: () => ({ devices: this.devices.map(told) }),
      beginMfaChallenge: () => ({
        challenge: 'challenge',
        oneTimeCode: this.devices.some(({ kind }) => kind === 'otp'),
        webauthnOptionsJson: this.devices.some(({ kind }) => kind === 'webauthn') ? '{}' : '',
      }),
      beginMfaAdd: (request) => {
        if (this.devices.length > 0) this.require(request.proof, 'SECOND_FACTOR_MISSING');
        const oneTimeCodeUri = 'otpauth://totp/fake:alice?secret=JBSWY3DPEHPK3PXP&issuer=fake';
        return { addition: request.name, oneTimeCodeUri, webauthnOptionsJson: '' };
      },
      finishMfaAdd: ({ addition, oneTimeCode }) => {
        if (oneTimeCode !== FACTOR_CODE) throw refusal('ONE_TIME_CODE_WRONG', 'one-time code: wrong');
        const device = { id: `id of ${addition}`, name: addition, kind: 'otp' } as const;
        this.devices.push(device);
        return { device: told(device) };
      },
      removeMfaDevice: ({ id, proof }) => {
        this.require(proof, 'SECOND_FACTOR_MISSING');
        this.devices = this.devices.filter((device) => device.id !== id);
        return {};
      },
    };
  }
}

function told(device: FakeFactors['devices'][number]) {
  const passwordless = device.kind === 'webauthn';
  return { ...device, added: '2026-01-02T03:04:05.000Z', lastUsed: '', passwordless };
}

function refusal(code: string, message: string): ConnectError {
  return new ConnectError(message, Code.PermissionDenied, { 'tessera-code': code });
}
