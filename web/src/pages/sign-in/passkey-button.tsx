import { useMutation } from '@connectrpc/connect-query';
import { Button, Stack } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { answerWithPasskey, canUsePasskeys } from '../../api/passkey.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { enter } from './enter.ts';

/** Sign-in by a passkey alone, without name and password. Not shown where the browser has none. */
export function PasskeyButton({ next }: { readonly next: string }): ReactNode {
  const begin = useMutation(AuthService.method.beginPasskeySignIn);
  const finish = useMutation(AuthService.method.finishWebSignIn);
  const [failure, setFailure] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  if (!canUsePasskeys()) return null;
  const go = async (): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      const { attempt, webauthnOptionsJson } = await begin.mutateAsync({});
      await finish.mutateAsync({ attempt, webauthnResponseJson: await answerWithPasskey(webauthnOptionsJson) });
      enter(next);
    } catch (error) {
      setFailure(error);
      setBusy(false);
    }
  };
  return (
    <Stack gap="sm">
      {failure !== undefined && <ErrorState error={failure} what="You are not signed in" />}
      <Button
        variant="subtle"
        fullWidth
        leftSection={<IconFingerprint size={18} aria-hidden />}
        loading={busy}
        onClick={() => void go()}
      >
        Sign in with a passkey
      </Button>
    </Stack>
  );
}
