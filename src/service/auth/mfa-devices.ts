import type {
  BeginMfaAddRequest,
  FinishMfaAddRequest,
  ListMfaDevicesRequest,
  RemoveMfaDeviceRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent } from '../../audit/event.ts';
import { ConfigError, LoginError } from '../../errors.ts';
import { CERTIFICATE_BACKDATE_MS } from '../../pki/issue.ts';
import {
  beginAddition,
  finishAddition,
  listDevices,
  removableDevice,
  removeDevice,
  type Device,
} from '../../sso/local/devices.ts';
import { beginChallenge, factorsOf, type FactorDeps, type FactorKind } from '../../sso/local/second-factors.ts';
import { actorOf, type Person } from './caller.ts';
import { emit, type AuthContext } from './context.ts';
import { factorDeps } from './factor-deps.ts';
import type { Call } from './gate.ts';
import { requireProof, toldDevice } from './mfa-proof.ts';

/** A person's own second factors. Whoever is signed in changes them only with a factor that is there already: a stolen session must not make itself at home. */

export async function listMfaDevices(_request: ListMfaDevicesRequest, { caller, context }: Call<Person>) {
  const devices = await listDevices(nameOf(caller), { store: context.store });
  return { devices: devices.map(toGen) };
}

export async function beginMfaChallenge(_request: object, { caller, context }: Call<Person>) {
  const deps = await factorDeps(context);
  const taken = await factorsOf(nameOf(caller), deps);
  // Who has only what the cluster takes no more shows that, to add something else.
  const asked = taken.oneTimeCode || taken.passkeys > 0 ? deps : anyKind(deps);
  const { oneTimeCode } = await factorsOf(nameOf(caller), asked);
  const { challenge, optionsJson } = await beginChallenge(nameOf(caller), asked);
  return { challenge, oneTimeCode, webauthnOptionsJson: optionsJson };
}

export async function beginMfaAdd(request: BeginMfaAddRequest, { caller, context }: Call<Person>) {
  const deps = await factorDeps(context);
  const kind = kindOf(request.kind, deps);
  const there = await listDevices(nameOf(caller), deps);
  if (there.length > 0) await requireProof(caller, request.proof, 'add a second factor', context, anyKind(deps));
  else requireFreshSignIn(caller, context);
  const begun = await beginAddition(
    { user: nameOf(caller), kind, name: request.name, local: isLocal(caller), clusterName: context.clusterName },
    deps,
  );
  return { addition: begun.addition, oneTimeCodeUri: begun.oneTimeCodeUri, webauthnOptionsJson: begun.optionsJson };
}

export async function finishMfaAdd(request: FinishMfaAddRequest, { caller, context }: Call<Person>) {
  const { addition, oneTimeCode, webauthnResponseJson } = request;
  const answer = { user: nameOf(caller), addition, oneTimeCode, webauthnResponseJson };
  const device = await finishAddition(answer, await factorDeps(context));
  await emit(context, auditEvent('T1006I', { ...toldDevice(device), ...actorOf(caller) }));
  return { device: toGen(device) };
}

export async function removeMfaDevice(request: RemoveMfaDeviceRequest, { caller, context }: Call<Person>) {
  const deps = await factorDeps(context);
  // Who signs in elsewhere brings no second factor here, so none is demanded.
  const of = { user: nameOf(caller), id: request.id, keepOne: isLocal(caller) && deps.kinds?.length !== 0 };
  // Said before a proof is used up for nothing.
  await removableDevice(of, deps);
  await requireProof(caller, request.proof, 'remove a second factor', context, anyKind(deps));
  const device = await removeDevice(of, deps);
  await emit(context, auditEvent('T1007I', { ...toldDevice(device), ...actorOf(caller) }));
  return {};
}

// There is nothing to prove it by but the sign-in itself: a cookie or a certificate that was stolen later is not enough.
function requireFreshSignIn({ certificate }: Person, context: Pick<AuthContext, 'clock'>): void {
  const signedInMs = certificate.notBeforeMs + CERTIFICATE_BACKDATE_MS;
  if (context.clock.now() - signedInMs <= FIRST_FACTOR_MS) return;
  throw new LoginError(
    'SIGN_IN_TOO_OLD',
    'the first second factor is added within five minutes of signing in: sign out, sign in again, and add it then',
  );
}

/** How long after signing in a person without any second factor may add the first. */
const FIRST_FACTOR_MS = 5 * 60_000;

function nameOf(caller: Person): string {
  return caller.certificate.identity.user;
}

function isLocal(caller: Person): boolean {
  return caller.certificate.identity.userKind === 'local';
}

function anyKind({ kinds: _taken, ...deps }: FactorDeps): FactorDeps {
  return deps;
}

function kindOf(text: string, { kinds = [] }: FactorDeps): FactorKind {
  const kind = kinds.find((each) => each === text);
  if (kind !== undefined) return kind;
  throw new ConfigError([
    `kind of second factor: expected ${kinds.join(' or ')} (second_factors of cluster_auth_preference), got ${JSON.stringify(text.slice(0, 32))}`,
  ]);
}

function toGen(device: Device) {
  return {
    id: device.id,
    name: device.name,
    kind: device.kind,
    added: timeOf(device.addedMs),
    lastUsed: timeOf(device.lastUsedMs),
    passwordless: device.passwordless,
  };
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? '' : new Date(ms).toISOString();
}
