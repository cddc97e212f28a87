import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { LoginError, StorageError } from '../errors.ts';
import type { AuthorityType } from '../resource/resource.ts';
import { buildCertificate } from './builder.ts';
import { generateKeyPair, parsePrivateKey, publicKeyDerOf } from './keys.ts';
import { parseClusterName } from './names.ts';
import type { Pin } from './pin.ts';
import { pinOf } from './pin.ts';
import type { KeySealer } from './seal.ts';
import { authorityCommonName } from './trust.ts';

/**
 * The cluster's four certificate authorities with their private keys: held by the Auth Service alone. What everybody else holds is `TrustedAuthorities` (trust.ts).
 */

/** One generation of one authority, able to sign. */
export type Authority = {
  readonly type: AuthorityType;
  readonly clusterName: string;
  readonly certificatePem: string;
  readonly certificateDer: Buffer;
  readonly pin: Pin;
  readonly notAfterMs: number;
  readonly privateKey: KeyObject;
};

/** An authority with all its living generations: the first signs, every one is trusted. One generation outside of a rotation. */
export type AuthorityGenerations = readonly [Authority, ...(readonly Authority[])];

/** An authority as it rests in the state store: the private keys are sealed under their own pin. JSON. */
export type AuthorityRecord = {
  readonly v: 1;
  readonly type: AuthorityType;
  readonly cluster_name: string;
  readonly generations: readonly { readonly certificate: string; readonly sealed_key: string }[];
};

/** Milliseconds since 1970. */
export type Clock = () => number;

/** Makes a self-signed P-256 authority: 10 years, CN `<cluster> <type> CA`, O = cluster, CA with path length 0, keyCertSign and cRLSign. */
export async function createAuthority(type: AuthorityType, clusterName: string, clock: Clock): Promise<Authority> {
  const cluster = parseClusterName(clusterName);
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const privateKey = parsePrivateKey(privateKeyPem);
  const nowMs = clock();
  const der = await buildCertificate({
    subject: [{ O: [cluster] }, { CN: [authorityCommonName(type, cluster)] }],
    publicKeyDer,
    signerPublicKeyDer: publicKeyDer,
    signingKey: privateKey,
    notBeforeMs: nowMs - AUTHORITY_BACKDATE_MS,
    notAfterMs: nowMs + AUTHORITY_TTL_MS,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return authorityFrom(type, cluster, new X509Certificate(der), privateKey);
}

/** The record to store: certificates in clear, keys sealed. */
export async function sealAuthority(generations: AuthorityGenerations, sealer: KeySealer): Promise<AuthorityRecord> {
  const [signing] = generations;
  return {
    v: 1,
    type: signing.type,
    cluster_name: signing.clusterName,
    generations: await Promise.all(
      generations.map(async (one) => ({
        certificate: one.certificatePem,
        sealed_key: await sealer.seal(
          sealName(one.type, one.pin),
          one.privateKey.export({ type: 'pkcs8', format: 'der' }),
        ),
      })),
    ),
  };
}

/**
 * Reads a record back and opens its keys. Throws StorageError `PKI_AUTHORITY_RECORD_MALFORMED` when the record is not one or a key is not its certificate's, and
 * what the sealer throws when it can not open them.
 */
export async function openAuthority(record: unknown, sealer: KeySealer): Promise<AuthorityGenerations> {
  const { type, cluster_name: clusterName, generations } = parseRecord(record);
  const opened: Authority[] = [];
  for (const { certificate, sealed_key: sealedKey } of generations) {
    const parsed = new X509Certificate(certificate);
    const pkcs8 = await sealer.open(sealName(type, pinOf(certificate)), sealedKey);
    const privateKey = parsePrivateKey(pemOf(pkcs8));
    pkcs8.fill(0);
    if (!publicKeyDerOf(privateKey).equals(parsed.publicKey.export({ type: 'spki', format: 'der' }))) {
      throw recordMalformed('a key does not belong to its certificate');
    }
    opened.push(authorityFrom(type, clusterName, parsed, privateKey));
  }
  const [signing, ...others] = opened;
  if (signing === undefined) throw recordMalformed('expected at least one generation');
  return [signing, ...others];
}

function authorityFrom(
  type: AuthorityType,
  clusterName: string,
  certificate: X509Certificate,
  privateKey: KeyObject,
): Authority {
  if (!certificate.ca)
    throw new LoginError('PKI_AUTHORITY_INVALID', `${type} authority: expected a CA certificate, got another`);
  return {
    type,
    clusterName,
    certificatePem: certificate.toString(),
    certificateDer: certificate.raw,
    pin: pinOf(certificate.raw),
    notAfterMs: certificate.validToDate.getTime(),
    privateKey,
  };
}

function parseRecord(record: unknown): AuthorityRecord {
  const candidate = record as Partial<AuthorityRecord> | null | undefined;
  if (typeof candidate !== 'object' || candidate === null || candidate.v !== 1)
    throw recordMalformed('expected version 1');
  if (!AUTHORITY_TYPES.some((type) => type === candidate.type) || typeof candidate.cluster_name !== 'string') {
    throw recordMalformed('expected a type and a cluster name');
  }
  const { generations } = candidate;
  if (!Array.isArray(generations) || generations.length > MAX_GENERATIONS) {
    throw recordMalformed(`expected a list of at most maxAuthorityGenerations ${MAX_GENERATIONS}`);
  }
  for (const one of generations as readonly unknown[]) {
    const { certificate, sealed_key: sealedKey } = (one ?? {}) as {
      readonly certificate?: unknown;
      readonly sealed_key?: unknown;
    };
    if (typeof certificate !== 'string' || typeof sealedKey !== 'string')
      throw recordMalformed('expected a certificate and a sealed key in each generation');
  }
  return candidate as AuthorityRecord;
}

function pemOf(pkcs8: Buffer): string {
  return `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

function sealName(type: AuthorityType, pin: Pin): string {
  return `authority/${type}/${pin}`;
}

function recordMalformed(text: string): StorageError {
  return new StorageError('PKI_AUTHORITY_RECORD_MALFORMED', `stored authority: ${text}`);
}

/** In the order in which they are made and listed. */
export const AUTHORITY_TYPES = ['user', 'host', 'db', 'db-client'] as const satisfies readonly AuthorityType[];
/** maxAuthorityGenerations: trusted at once; a rotation needs two. */
const MAX_GENERATIONS = 8;
const AUTHORITY_TTL_MS = 3653 * 24 * 3_600_000;
/** authorityBackdate: for machines whose clocks are behind; wider than a leaf's, for a leaf must not begin before its authority. */
const AUTHORITY_BACKDATE_MS = 10 * 60_000;
