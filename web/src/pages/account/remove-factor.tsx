import { useMutation } from '@connectrpc/connect-query';
import { Alert, Modal, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { ReactNode } from 'react';
import { AuthService, type MfaDevice } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { FocusBack } from '../../parts/focus-back.tsx';
import { ProofForm } from '../../parts/proof-form.tsx';

/** Removes a second factor, with proof by one that is there; it may be the one that goes. */
export function RemoveFactor(props: {
  readonly device: MfaDevice;
  readonly isLast: boolean;
  readonly onDone: () => void;
  readonly onClose: () => void;
}): ReactNode {
  const remove = useMutation(AuthService.method.removeMfaDevice);
  const { device } = props;
  return (
    <Modal
      opened
      onClose={props.onClose}
      title={<Text fw={600}>Remove {device.name}?</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      <FocusBack />
      <Stack gap="md">
        {props.isLast && (
          <Alert color="red" title="It is your last one" role="note">
            The cluster may refuse this, or refuse your next sign-in.
          </Alert>
        )}
        <Text size="sm">From then on it opens nothing. Confirm with any of your second factors.</Text>
        <ProofForm
          action="Remove"
          color="red"
          onProof={async (proof) => {
            await remove.mutateAsync({ id: device.id, proof });
            notifications.show({ color: 'green', title: 'Removed', message: `${device.name} opens nothing any more.` });
            props.onDone();
          }}
        />
      </Stack>
    </Modal>
  );
}
