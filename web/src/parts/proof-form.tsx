import type { MessageInitShape } from '@bufbuild/protobuf';
import { useQuery } from '@connectrpc/connect-query';
import type { ReactNode } from 'react';
import { AuthService, type MfaProofSchema } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { ErrorState } from './error-state.tsx';
import { FactorForm } from './factor-form.tsx';
import { TextSkeleton } from './skeletons.tsx';

export type Proof = MessageInitShape<typeof MfaProofSchema>;

/** A challenge counts for five minutes; a fresh one is asked for a little earlier. */
const GOOD_MS = 240_000;

/**
 * Asks for a second factor that the signed-in person has. `action` is the verb of what follows ("Approve"). `onProof` does it with the proof and throws when the server refuses; the refusal
 * is shown here, with a fresh challenge, as a challenge counts once.
 */
export function ProofForm(props: {
  readonly action: string;
  readonly color?: string;
  readonly onProof: (proof: Proof) => Promise<void>;
}): ReactNode {
  const challenge = useQuery(
    AuthService.method.beginMfaChallenge,
    {},
    { staleTime: GOOD_MS, refetchInterval: GOOD_MS, gcTime: 0, refetchOnWindowFocus: false },
  );
  if (challenge.isPending) return <TextSkeleton lines={3} />;
  if (challenge.isError)
    return (
      <ErrorState
        error={challenge.error}
        what="Your second factors could not be asked for"
        onRetry={() => void challenge.refetch()}
      />
    );
  return (
    <FactorForm
      action={props.action}
      passkeyAction={`${props.action} with a passkey`}
      refusal="That did not confirm it"
      webauthnOptionsJson={challenge.data.webauthnOptionsJson}
      oneTimeCode={challenge.data.oneTimeCode}
      {...(props.color === undefined ? {} : { color: props.color })}
      onAnswer={async (answer) => {
        try {
          await props.onProof('oneTimeCode' in answer ? answer : { challenge: challenge.data.challenge, ...answer });
        } catch (error) {
          await challenge.refetch();
          throw error;
        }
      }}
    />
  );
}
