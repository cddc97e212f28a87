import { Alert, Button, Stack, Text } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { createPasskey } from '../../api/passkey.ts';
import { ErrorState } from '../../parts/error-state.tsx';

/** Makes a passkey; the server gets it together with the rest of the form. */
export function PasskeySetup(props: {
  readonly optionsJson: string;
  readonly done: boolean;
  readonly onDone: (responseJson: string) => void;
}): ReactNode {
  const [failure, setFailure] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  if (props.done)
    return (
      <Alert color="green" title="Your passkey is ready" role="status">
        It is kept when you finish below.
      </Alert>
    );
  const go = async (): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      props.onDone(await createPasskey(props.optionsJson));
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap="sm">
      {failure !== undefined && <ErrorState error={failure} what="There is no passkey yet" />}
      <Text size="sm" c="dimmed">
        Your fingerprint, face, PIN or security key. It can not be read over your shoulder or given away to a false
        page.
      </Text>
      <Button
        variant="light"
        leftSection={<IconFingerprint size={18} aria-hidden />}
        loading={busy}
        onClick={() => void go()}
      >
        Create a passkey
      </Button>
    </Stack>
  );
}
