import { useQuery } from '@connectrpc/connect-query';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Alert, Button, Divider, Stack, Text } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useState, type FormEvent, type ReactNode } from 'react';
import { AuthService, type MfaProofSchema } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { answerWithPasskey, canUsePasskeys } from '../api/passkey.ts';
import { CodeInput } from './code-input.tsx';
import { ErrorState } from './error-state.tsx';
import { TextSkeleton } from './skeletons.tsx';

export type Proof = MessageInitShape<typeof MfaProofSchema>;

/**
 * Asks for a second factor that the person has: passkey, one-time code, or either. `action` is the verb of what follows ("Approve"). `onProof` does it with the proof and throws when the
 * server refuses; the refusal is shown here, with a fresh challenge, as a challenge counts once.
 */
export function ProofForm(props: {
  readonly action: string;
  readonly color?: string;
  readonly onProof: (proof: Proof) => Promise<void>;
}): ReactNode {
  const challenge = useQuery(
    AuthService.method.beginMfaChallenge,
    {},
    { staleTime: 240_000, gcTime: 0, refetchOnWindowFocus: false },
  );
  const [failure, setFailure] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [code, setCode] = useState('');
  if (challenge.isPending) return <TextSkeleton lines={3} />;
  if (challenge.isError)
    return (
      <ErrorState
        error={challenge.error}
        what="Your second factors could not be asked for"
        onRetry={() => void challenge.refetch()}
      />
    );
  const { challenge: id, oneTimeCode, webauthnOptionsJson } = challenge.data;
  const passkey = webauthnOptionsJson !== '' && canUsePasskeys();

  const attempt = async (make: () => Promise<Proof>): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      await props.onProof(await make());
    } catch (error) {
      setFailure(error);
      setCode('');
      await challenge.refetch();
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (code.length === 6) void attempt(() => Promise.resolve({ oneTimeCode: code }));
  };

  if (!passkey && !oneTimeCode)
    return (
      <Alert color="yellow" title="No second factor can be used here">
        {webauthnOptionsJson === ''
          ? 'You have none yet. Add one in your account, or ask an administrator for a reset.'
          : 'You have a passkey, and this browser can not use it. Try another browser.'}
      </Alert>
    );
  return (
    <Stack gap="sm">
      {failure !== undefined && <ErrorState error={failure} what="That did not confirm it" />}
      {passkey && (
        <Button
          fullWidth
          color={props.color ?? 'tessera'}
          leftSection={<IconFingerprint size={18} aria-hidden />}
          loading={busy}
          onClick={() =>
            void attempt(async () => ({
              challenge: id,
              webauthnResponseJson: await answerWithPasskey(webauthnOptionsJson),
            }))
          }
        >
          {props.action} with a passkey
        </Button>
      )}
      {passkey && oneTimeCode && <Divider label="or" />}
      {oneTimeCode && (
        <form onSubmit={submit}>
          <Stack gap="sm">
            <CodeInput value={code} onChange={setCode} autoFocus={!passkey} disabled={busy} />
            <Button
              type="submit"
              fullWidth
              variant={passkey ? 'default' : 'filled'}
              color={props.color ?? 'tessera'}
              disabled={code.length < 6}
              loading={busy}
            >
              {props.action}
            </Button>
          </Stack>
        </form>
      )}
      {passkey && !oneTimeCode && (
        <Text size="xs" c="dimmed" ta="center">
          Your device asks for your fingerprint, face or PIN.
        </Text>
      )}
    </Stack>
  );
}
