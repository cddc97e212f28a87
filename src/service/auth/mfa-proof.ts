import type { MfaProof } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent } from '../../audit/event.ts';
import { LoginError } from '../../errors.ts';
import type { Device } from '../../sso/local/devices.ts';
import { checkProof, type FactorDeps, type FactorKind } from '../../sso/local/second-factors.ts';
import { actorOf, type Person } from './caller.ts';
import { emit, type AuthContext } from './context.ts';
import { factorDeps } from './factor-deps.ts';
import { limited, lockOut } from './sign-in.ts';

/** Second factors that a signed-in person shows for one deed. */

/**
 * Which kind the proof is of. Failures are told to the audit log (`reason`: for what it was asked) and count towards the lockout of sign-in. Throws LoginError `SECOND_FACTOR_MISSING`
 * when nothing was shown, `SECOND_FACTOR_REFUSED` for everything that is wrong, LimitError `ANONYMOUS_RATE` for too much of it from one address. `deps` default to what the cluster takes.
 */
export async function requireProof(
  person: Person,
  proof: MfaProof | undefined,
  reason: string,
  context: AuthContext,
  deps?: FactorDeps,
): Promise<FactorKind> {
  if (isEmpty(proof))
    throw new LoginError('SECOND_FACTOR_MISSING', `second factor: expected a one-time code or a passkey to ${reason}`);
  const name = person.certificate.identity.user;
  const outcome = await checkProof(name, proof, deps ?? (await factorDeps(context)));
  if (outcome.type === 'Proven') return outcome.kind;
  // Nobody fills the audit log with wrong codes: once locked out, none of them is even looked at.
  if (outcome.lockedUntilMs === undefined) await limited(person.address, context);
  const told = { reason, error: outcome.reason, success: false, ...actorOf(person) };
  await emit(context, auditEvent('T1007W', told));
  if (outcome.lockedUntilMs !== undefined) await lockOut(name, outcome.lockedUntilMs, person.address, context);
  throw new LoginError(
    'SECOND_FACTOR_REFUSED',
    'second factor refused: wrong, used or too old (a code is good once: wait for the next; after 5 failures sign-in is locked for 30 minutes)',
  );
}

/** Whether nothing is shown. */
export function isEmpty(proof: MfaProof | undefined): proof is undefined {
  return proof === undefined || (proof.oneTimeCode === '' && proof.webauthnResponseJson === '' && proof.token === '');
}

/** A device as the audit log names it. */
export function toldDevice({ name, kind }: Pick<Device, 'name' | 'kind'>): {
  readonly mfa_device_name: string;
  readonly mfa_device_type: string;
} {
  return { mfa_device_name: name, mfa_device_type: kind === 'otp' ? 'TOTP' : 'WebAuthn' };
}
