import * as z from 'zod';
import type { Passkey } from './credentials.ts';
import { ONCE_TTL_MS } from './once.ts';

/**
 * Passkeys by WebAuthn level 3: options for the browser, and what comes back checked. Pure of storage. Attestation is not asked for: who makes a passkey says nothing of
 * whose it is. The library is loaded with the first passkey.
 */

/** Whom passkeys are bound to (section 5.1.2): a domain, and the origins at it or below it that may ask. */
export type RelyingParty = { readonly id: string; readonly name: string; readonly origins: readonly string[] };

/** What is kept of a new passkey. */
export type NewPasskey = Pick<
  Passkey,
  | 'credentialId'
  | 'publicKey'
  | 'counter'
  | 'transports'
  | 'backupEligible'
  | 'backedUp'
  | 'passwordless'
  | 'relyingParty'
>;
/** Why an answer does not hold; for the audit log. */
export type Fault = { readonly fault: string };
export type Assertion = Pick<Passkey, 'counter' | 'backedUp'> & { readonly userVerified: boolean };

/** maxWebauthnAnswerLength, characters of JSON. */
export const MAX_ANSWER_LENGTH = 32 * 1024;

/** PublicKeyCredentialCreationOptionsJSON (section 5.4). `userHandle`: base64url. */
export async function registrationOptions(of: {
  readonly challenge: string;
  readonly user: string;
  readonly userHandle: string;
  readonly known: readonly Passkey[];
  readonly relyingParty: RelyingParty;
}): Promise<string> {
  const { generateRegistrationOptions } = await import('@simplewebauthn/server');
  const options = await generateRegistrationOptions({
    rpName: of.relyingParty.name,
    rpID: of.relyingParty.id,
    userName: of.user,
    userDisplayName: of.user,
    userID: bytes(of.userHandle),
    challenge: bytes(of.challenge),
    timeout: ONCE_TTL_MS,
    attestationType: 'none',
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
    excludeCredentials: of.known.map(descriptor),
    supportedAlgorithmIDs: ALGORITHMS,
  });
  return JSON.stringify(options);
}

/** PublicKeyCredentialRequestOptionsJSON (section 5.5). Without `passkeys` any discoverable one will do, and it must verify its person. */
export async function authenticationOptions(of: {
  readonly challenge: string;
  readonly passkeys: readonly Passkey[] | undefined;
  readonly relyingParty: RelyingParty;
}): Promise<string> {
  const { generateAuthenticationOptions } = await import('@simplewebauthn/server');
  const options = await generateAuthenticationOptions({
    rpID: of.relyingParty.id,
    challenge: bytes(of.challenge),
    timeout: ONCE_TTL_MS,
    userVerification: of.passkeys === undefined ? 'required' : 'discouraged',
    ...(of.passkeys === undefined ? {} : { allowCredentials: of.passkeys.map(descriptor) }),
  });
  return JSON.stringify(options);
}

/** Section 7.1. The caller has used the challenge up before. */
export async function checkRegistration(
  answerJson: string,
  expected: { readonly challenge: string; readonly relyingParty: RelyingParty },
): Promise<NewPasskey | Fault> {
  const answer = parse(registrationAnswer, answerJson);
  if (answer === undefined) return MALFORMED;
  return withoutThrow(async () => {
    refuseFrame(answer.response.clientDataJSON);
    await refuseAttestation(answer.response.attestationObject);
    const { verifyRegistrationResponse } = await import('@simplewebauthn/server');
    const { verified, registrationInfo: info } = await verifyRegistrationResponse({
      response: { ...answer, clientExtensionResults: {} },
      expectedChallenge: expected.challenge,
      expectedOrigin: [...expected.relyingParty.origins],
      expectedRPID: expected.relyingParty.id,
      requireUserVerification: false,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    if (!verified) return { fault: 'the attestation does not hold' };
    const { credential, credentialDeviceType, credentialBackedUp, userVerified } = info;
    if (credential.publicKey.length > MAX_PUBLIC_KEY_BYTES)
      return { fault: `its public key is longer than maxPublicKeyBytes ${MAX_PUBLIC_KEY_BYTES}` };
    const backupEligible = credentialDeviceType === 'multiDevice';
    // What can be copied between devices is always found without being named; others say it themselves (section 10.1.3).
    const resident = answer.clientExtensionResults.credProps?.rk ?? backupEligible;
    return {
      credentialId: credential.id,
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      counter: credential.counter,
      transports: answer.response.transports,
      backupEligible,
      backedUp: credentialBackedUp,
      passwordless: userVerified && resident,
      relyingParty: expected.relyingParty.id,
    };
  });
}

/** The credential id and the user handle that an answer names; undefined: it is none. Nothing of it is proved. */
export function namedBy(
  answerJson: string,
): { readonly credentialId: string; readonly userHandle: string | undefined } | undefined {
  const answer = parse(authenticationAnswer, answerJson);
  return answer === undefined ? undefined : { credentialId: answer.id, userHandle: answer.response.userHandle };
}

/** Section 7.2. The caller has used the challenge up before, and keeps the counter. */
export async function checkAssertion(
  answerJson: string,
  expected: {
    readonly challenge: string;
    readonly passkey: Passkey;
    readonly relyingParty: RelyingParty;
    readonly userVerification: boolean;
  },
): Promise<Assertion | Fault> {
  const answer = parse(authenticationAnswer, answerJson);
  if (answer === undefined) return MALFORMED;
  const { passkey } = expected;
  if (answer.id !== passkey.credentialId) return { fault: 'it is of another passkey' };
  return withoutThrow(async () => {
    refuseFrame(answer.response.clientDataJSON);
    const { verifyAuthenticationResponse } = await import('@simplewebauthn/server');
    const { clientDataJSON, authenticatorData, signature } = answer.response;
    const { verified, authenticationInfo: info } = await verifyAuthenticationResponse({
      response: {
        ...answer,
        response: { clientDataJSON, authenticatorData, signature },
        clientExtensionResults: {},
      },
      expectedChallenge: expected.challenge,
      expectedOrigin: [...expected.relyingParty.origins],
      expectedRPID: expected.relyingParty.id,
      requireUserVerification: expected.userVerification,
      credential: { id: passkey.credentialId, publicKey: bytes(passkey.publicKey), counter: passkey.counter },
    });
    if (!verified) return { fault: 'its signature does not hold' };
    // Section 7.2 step 19: this never changes in a passkey's life.
    if ((info.credentialDeviceType === 'multiDevice') !== passkey.backupEligible)
      return { fault: 'it says otherwise than before whether it may be copied' };
    return { counter: info.newCounter, backedUp: info.credentialBackedUp, userVerified: info.userVerified };
  });
}

/** ES256, EdDSA, RS256 (RFC 9053, RFC 8812). Named always: the library else asks the runtime for further ones, which warns. */
const ALGORITHMS = [-7, -8, -257];
/** Of an RSA key of 8192 bits and its frame. */
const MAX_PUBLIC_KEY_BYTES = 1100;
/** Section 5.1: a credential id has at most 1023 bytes. */
const MAX_CREDENTIAL_ID_LENGTH = 1364;
const MALFORMED: Fault = { fault: 'it is not the JSON of a passkey' };

const base64url = z
  .string()
  .min(1)
  .regex(/^[\w-]+$/);
const outer = {
  id: base64url.max(MAX_CREDENTIAL_ID_LENGTH),
  rawId: base64url.max(MAX_CREDENTIAL_ID_LENGTH),
  type: z.literal('public-key'),
};
const registrationAnswer = z.object({
  ...outer,
  response: z.object({
    clientDataJSON: base64url,
    attestationObject: base64url,
    transports: z.array(z.string().max(32)).max(16).optional().default([]),
  }),
  clientExtensionResults: z.object({ credProps: z.object({ rk: z.boolean().optional() }).optional() }),
});
const authenticationAnswer = z.object({
  ...outer,
  response: z.object({
    clientDataJSON: base64url,
    authenticatorData: base64url,
    signature: base64url,
    userHandle: base64url.max(128).optional().catch(undefined),
  }),
});

function parse<T>(schema: z.ZodType<T>, json: string): T | undefined {
  if (json.length > MAX_ANSWER_LENGTH) return undefined;
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

class Refused extends Error {}

// The library throws plain errors for whatever does not hold, and its decoders whatever they meet in hostile bytes.
async function withoutThrow<T>(check: () => Promise<T | Fault>): Promise<T | Fault> {
  try {
    return await check();
  } catch (error) {
    const text = error instanceof Error ? error.message : 'it can not be read';
    return { fault: text.slice(0, MAX_FAULT_LENGTH) };
  }
}

// Our pages are in nobody's frame, so a passkey that was shown in one was shown to somebody else.
function refuseFrame(clientDataJson: string): void {
  const data: unknown = JSON.parse(Buffer.from(clientDataJson, 'base64url').toString('utf8'));
  if (typeof data !== 'object' || data === null) throw new Refused('its client data is no object');
  if (Reflect.get(data, 'crossOrigin') === true || Reflect.get(data, 'topOrigin') !== undefined)
    throw new Refused('it was shown inside a frame of another origin');
}

// None was asked for, and statements with certificates would have us read (and follow) what a stranger wrote. An authenticator may still sign with the new key itself.
async function refuseAttestation(attestationObject: string): Promise<void> {
  const { decodeAttestationObject } = await import('@simplewebauthn/server/helpers');
  const decoded = decodeAttestationObject(bytes(attestationObject));
  const format = decoded.get('fmt');
  const self = format === 'packed' && decoded.get('attStmt').get('x5c') === undefined;
  if (format !== 'none' && !self) throw new Refused('it has an attestation that was not asked for');
}

function descriptor(passkey: Passkey): { readonly id: string; readonly transports: Transport[] } {
  return { id: passkey.credentialId, transports: TRANSPORTS.filter((each) => passkey.transports.includes(each)) };
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, 'base64url'));
}

const TRANSPORTS = ['usb', 'nfc', 'ble', 'hybrid', 'internal'] as const;
type Transport = (typeof TRANSPORTS)[number];
const MAX_FAULT_LENGTH = 200;
