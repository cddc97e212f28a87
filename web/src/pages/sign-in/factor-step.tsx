import { useMutation } from '@connectrpc/connect-query';
import { Button, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import { AuthService, type BeginWebSignInResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { FactorForm } from '../../parts/factor-form.tsx';
import { enter } from './enter.ts';

/** A sign-in whose password was right; it waits for the second factor, five minutes at most. */
export type Attempt = Pick<BeginWebSignInResponse, 'attempt' | 'oneTimeCode' | 'webauthnOptionsJson'> & {
  readonly user: string;
};

/** The second factor of a sign-in: passkey or one-time code, as the person has them. */
export function FactorStep(props: {
  readonly attempt: Attempt;
  readonly next: string;
  readonly onBack: () => void;
}): ReactNode {
  const { attempt, oneTimeCode, webauthnOptionsJson } = props.attempt;
  const finish = useMutation(AuthService.method.finishWebSignIn);
  return (
    <Stack gap="md">
      <FactorForm
        action="Sign in"
        passkeyAction="Use a passkey"
        refusal="You are not signed in"
        webauthnOptionsJson={webauthnOptionsJson}
        oneTimeCode={oneTimeCode}
        onAnswer={async (answer) => {
          await finish.mutateAsync({ attempt, ...answer });
          enter(props.next);
        }}
      />
      <Button variant="subtle" color="gray" onClick={props.onBack} disabled={finish.isPending}>
        Begin again
      </Button>
    </Stack>
  );
}
