import { useMutation } from '@connectrpc/connect-query';
import { Alert, Button, Divider, Stack } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useState, type FormEvent, type ReactNode } from 'react';
import { AuthService, type BeginWebSignInResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { answerWithPasskey, canUsePasskeys } from '../../api/passkey.ts';
import { CodeInput } from '../../parts/code-input.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
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
  const [failure, setFailure] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [code, setCode] = useState('');
  const passkey = webauthnOptionsJson !== '' && canUsePasskeys();

  const attemptWith = async (
    answer: () => Promise<{ oneTimeCode: string } | { webauthnResponseJson: string }>,
  ): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      await finish.mutateAsync({ attempt, ...(await answer()) });
      enter(props.next);
    } catch (error) {
      setFailure(error);
      setCode('');
      setBusy(false);
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (code.length === 6) void attemptWith(() => Promise.resolve({ oneTimeCode: code }));
  };

  return (
    <Stack gap="md">
      {failure !== undefined && <ErrorState error={failure} what="You are not signed in" />}
      {passkey && (
        <Button
          size="md"
          fullWidth
          autoFocus
          leftSection={<IconFingerprint size={18} aria-hidden />}
          loading={busy}
          onClick={() =>
            void attemptWith(async () => ({ webauthnResponseJson: await answerWithPasskey(webauthnOptionsJson) }))
          }
        >
          Use a passkey
        </Button>
      )}
      {passkey && oneTimeCode && <Divider label="or" />}
      {oneTimeCode && (
        <form onSubmit={submit}>
          <Stack gap="sm">
            <CodeInput
              value={code}
              onChange={setCode}
              description="From your authenticator app"
              autoFocus={!passkey}
              disabled={busy}
            />
            <Button
              type="submit"
              size="md"
              fullWidth
              variant={passkey ? 'default' : 'filled'}
              disabled={code.length < 6}
              loading={busy}
            >
              Sign in
            </Button>
          </Stack>
        </form>
      )}
      {!passkey && !oneTimeCode && (
        <Alert color="yellow" title="This browser can not use your passkey">
          Your only second factor is a passkey. Open this page in a browser that has it, at the cluster’s public
          address.
        </Alert>
      )}
      <Button variant="subtle" color="gray" onClick={props.onBack} disabled={busy}>
        Begin again
      </Button>
    </Stack>
  );
}
