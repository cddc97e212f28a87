import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/**
 * An authenticator in software, and the browser around it: makes and shows passkeys as navigator.credentials does, in the JSON that the API takes. WebAuthn level 3, sections 6 and 7;
 * CBOR of CTAP2; attestation "none"; ES256. What an attacker would change can be changed.
 */

export type AuthenticatorOptions = {
  /** Of the page, `https://host[:port]`. */
  readonly origin: string;
  /** Whether it asks for a finger or a PIN. Default true. */
  readonly verifiesUser?: boolean;
  /** Whether its passkeys are found without being named. Default true. */
  readonly resident?: boolean;
  /** Whether it counts uses; those that copy between devices do not. Default true. */
  readonly counts?: boolean;
};

/** What a hostile page, network or copy of the authenticator would do otherwise. */
export type Tampering = {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly type?: string;
  readonly counter?: number;
  readonly userVerified?: boolean;
  readonly userHandle?: string;
  readonly credentialId?: string;
  readonly crossOrigin?: boolean;
  readonly signature?: Buffer;
  /** Attestation format and statement instead of none. */
  readonly attestation?: { readonly fmt: string; readonly attStmt: ReadonlyMap<string, Cbor> };
};

export type SoftPasskey = {
  readonly id: string;
  readonly rpId: string;
  readonly userHandle: string;
  readonly privateKey: KeyObject;
  counter: number;
};

export class SoftwareAuthenticator {
  readonly passkeys: SoftPasskey[] = [];
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** `navigator.credentials.create`: RegistrationResponseJSON. Throws as a browser does when one of `excludeCredentials` is here. */
  create(optionsJson: string, tampering: Tampering = {}): string {
    const options = JSON.parse(optionsJson) as CreationOptions;
    if (options.excludeCredentials.some(({ id }) => this.passkeys.some((passkey) => passkey.id === id)))
      throw new Error('InvalidStateError: the authenticator is registered already');
    if (!options.pubKeyCredParams.some(({ alg }) => alg === ES256)) throw new Error('NotSupportedError');
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = tampering.credentialId ?? randomBytes(32).toString('base64url');
    const rpId = tampering.rpId ?? options.rp.id;
    const passkey: SoftPasskey = { id, rpId, userHandle: options.user.id, privateKey, counter: 0 };
    this.passkeys.push(passkey);
    const rawId = Buffer.from(id, 'base64url');
    const attested = Buffer.concat([Buffer.alloc(16), uint16(rawId.length), rawId, cbor(coseKey(publicKey))]);
    const authData = Buffer.concat([this.#authenticatorData(passkey, tampering, ATTESTED), attested]);
    const { fmt, attStmt } = tampering.attestation ?? { fmt: 'none', attStmt: new Map<string, Cbor>() };
    const attestationObject = new Map<string, Cbor>([
      ['fmt', fmt],
      ['attStmt', attStmt],
      ['authData', authData],
    ]);
    return JSON.stringify({
      id,
      rawId: id,
      type: 'public-key',
      authenticatorAttachment: 'platform',
      response: {
        clientDataJSON: this.#clientData('webauthn.create', options.challenge, tampering),
        attestationObject: cbor(attestationObject).toString('base64url'),
        transports: ['internal'],
      },
      clientExtensionResults: { credProps: { rk: this.#options.resident !== false } },
    });
  }

  /** `navigator.credentials.get`: AuthenticationResponseJSON of the first passkey that fits. Throws when none does. */
  get(optionsJson: string, tampering: Tampering = {}): string {
    const options = JSON.parse(optionsJson) as RequestOptions;
    const allowed = options.allowCredentials?.map(({ id }) => id);
    const passkey = this.passkeys.find(
      ({ id, rpId }) => rpId === options.rpId && (allowed === undefined || allowed.includes(id)),
    );
    if (passkey === undefined) throw new Error('NotAllowedError: no passkey fits');
    return this.show(passkey, options.challenge, tampering);
  }

  /** An assertion of this passkey for this challenge, whoever asked. */
  show(passkey: SoftPasskey, challenge: string, tampering: Tampering = {}): string {
    passkey.counter += this.#options.counts === false ? 0 : 1;
    const clientDataJSON = this.#clientData('webauthn.get', challenge, tampering);
    const authenticatorData = this.#authenticatorData(passkey, tampering, 0);
    const hashed = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest();
    const signature = sign('sha256', Buffer.concat([authenticatorData, hashed]), passkey.privateKey);
    const id = tampering.credentialId ?? passkey.id;
    return JSON.stringify({
      id,
      rawId: id,
      type: 'public-key',
      authenticatorAttachment: 'platform',
      response: {
        clientDataJSON,
        authenticatorData: authenticatorData.toString('base64url'),
        signature: (tampering.signature ?? signature).toString('base64url'),
        userHandle: tampering.userHandle ?? passkey.userHandle,
      },
      clientExtensionResults: {},
    });
  }

  #clientData(type: string, challenge: string, tampering: Tampering): string {
    const data = {
      type: tampering.type ?? type,
      challenge: tampering.challenge ?? challenge,
      origin: tampering.origin ?? this.#options.origin,
      crossOrigin: tampering.crossOrigin ?? false,
    };
    return Buffer.from(JSON.stringify(data)).toString('base64url');
  }

  #authenticatorData(passkey: SoftPasskey, tampering: Tampering, flags: number): Buffer {
    const verified = tampering.userVerified ?? this.#options.verifiesUser !== false;
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(tampering.counter ?? passkey.counter);
    const rpIdHash = createHash('sha256')
      .update(tampering.rpId ?? passkey.rpId)
      .digest();
    return Buffer.concat([rpIdHash, Buffer.from([PRESENT | (verified ? VERIFIED : 0) | flags]), counter]);
  }
}

/** The part of CBOR (RFC 8949) that WebAuthn needs. */
export type Cbor = number | string | Buffer | readonly Cbor[] | ReadonlyMap<string | number, Cbor>;

/** Encodes definite lengths, shortest form. */
export function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map)
    return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, each]) => [cbor(key), cbor(each)])]);
  const items = value as readonly Cbor[];
  return Buffer.concat([head(4, items.length), ...items.map(cbor)]);
}

function head(major: number, length: number): Buffer {
  if (length < 24) return Buffer.from([(major << 5) | length]);
  if (length < 0x100) return Buffer.from([(major << 5) | 24, length]);
  return Buffer.concat([Buffer.from([(major << 5) | 25]), uint16(length)]);
}

/** RFC 9053: EC2 key, ES256, P-256. */
function coseKey(publicKey: KeyObject): ReadonlyMap<number, Cbor> {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return new Map<number, Cbor>([
    [1, 2],
    [3, ES256],
    [-1, 1],
    [-2, Buffer.from(x, 'base64url')],
    [-3, Buffer.from(y, 'base64url')],
  ]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

type CreationOptions = {
  readonly challenge: string;
  readonly rp: { readonly id: string };
  readonly user: { readonly id: string };
  readonly excludeCredentials: readonly { readonly id: string }[];
  readonly pubKeyCredParams: readonly { readonly alg: number }[];
};
type RequestOptions = {
  readonly challenge: string;
  readonly rpId: string;
  readonly allowCredentials?: readonly { readonly id: string }[];
};

const ES256 = -7;
const PRESENT = 0x01;
const VERIFIED = 0x04;
const ATTESTED = 0x40;
