import { useQuery } from '@connectrpc/connect-query';
import { ActionIcon, Alert, Badge, Button, Card, Group, Menu, Stack, Table, Text, Title, Tooltip } from '@mantine/core';
import { IconDeviceMobile, IconFingerprint, IconPlus, IconTrash } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { AuthService, type MfaDevice } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { canUsePasskeys } from '../../api/passkey.ts';
import { useSession } from '../../api/session.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { Time } from '../../parts/time.tsx';
import { AddFactor, type Kind } from './add-factor.tsx';
import { RemoveFactor } from './remove-factor.tsx';

/** The person's second factors: what they have, add one, remove one. */
export function Factors(): ReactNode {
  const list = useQuery(AuthService.method.listMfaDevices, {});
  const atProvider = useSession().userKind === 'sso';
  // tsh opens this page with ?add=passkey, as only a browser can make one.
  const [adding, setAdding] = useState(wishedKind);
  const [removing, setRemoving] = useState<MfaDevice>();
  const devices = list.data?.devices ?? [];
  const changed = (): void => {
    setAdding(undefined);
    setRemoving(undefined);
    void list.refetch();
  };
  return (
    <Card withBorder padding="lg">
      <Group justify="space-between" mb="sm">
        <Title order={2}>Second factors</Title>
        <AddMenu onPick={setAdding} disabled={!list.isSuccess} />
      </Group>
      {list.isError ? (
        <ErrorState
          error={list.error}
          what="Your second factors could not be loaded"
          onRetry={() => void list.refetch()}
        />
      ) : (
        <Stack gap="sm">
          {list.isSuccess && devices.length === 1 && !atProvider && (
            <Alert color="yellow" title="You have only one" role="note">
              If it is lost, only an administrator can let you in again. Add a second one of another kind.
            </Alert>
          )}
          {list.isSuccess && devices.length === 0 ? (
            <None atProvider={atProvider} />
          ) : (
            <DeviceTable devices={devices} loading={list.isPending} onRemove={setRemoving} />
          )}
        </Stack>
      )}
      {adding !== undefined && list.isSuccess && (
        <AddFactor
          kind={adding}
          needsProof={devices.length > 0}
          onDone={changed}
          onClose={() => setAdding(undefined)}
        />
      )}
      {removing !== undefined && (
        <RemoveFactor
          device={removing}
          isLast={devices.length === 1}
          onDone={changed}
          onClose={() => setRemoving(undefined)}
        />
      )}
    </Card>
  );
}

function None({ atProvider }: { readonly atProvider: boolean }): ReactNode {
  return (
    <Text size="sm" c="dimmed">
      {atProvider
        ? 'You have none. Sign-in is the provider’s; add a passkey or an authenticator app for databases that ask for one each time.'
        : 'You have none. Add a passkey or an authenticator app, so that a stolen password alone opens nothing.'}
    </Text>
  );
}

function wishedKind(): Kind | undefined {
  const wish = new URLSearchParams(window.location.search).get('add');
  if (wish === 'passkey' && canUsePasskeys()) return 'webauthn';
  return wish === 'otp' ? 'otp' : undefined;
}

function AddMenu(props: { readonly onPick: (kind: Kind) => void; readonly disabled: boolean }): ReactNode {
  return (
    <Menu position="bottom-end" width={250} withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <Button size="xs" leftSection={<IconPlus size={14} aria-hidden />} disabled={props.disabled}>
          Add
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<IconFingerprint size={16} aria-hidden />}
          disabled={!canUsePasskeys()}
          onClick={() => props.onPick('webauthn')}
        >
          Passkey or security key
        </Menu.Item>
        <Menu.Item leftSection={<IconDeviceMobile size={16} aria-hidden />} onClick={() => props.onPick('otp')}>
          Authenticator app
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function DeviceTable(props: {
  readonly devices: readonly MfaDevice[];
  readonly loading: boolean;
  readonly onRemove: (device: MfaDevice) => void;
}): ReactNode {
  return (
    <Table.ScrollContainer minWidth={520} type="native">
      <Table verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Kind</Table.Th>
            <Table.Th>Added</Table.Th>
            <Table.Th>Last used</Table.Th>
            <Table.Th w={50}>
              <span className="visually-hidden">Actions</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.loading && <RowsSkeleton rows={2} columns={5} />}
          {props.devices.map((device) => (
            <Table.Tr key={device.id}>
              <Table.Td fw={500}>{device.name}</Table.Td>
              <Table.Td>
                <Group gap={6}>
                  {device.kind === 'webauthn' ? 'Passkey' : 'Authenticator app'}
                  {device.passwordless && (
                    <Badge variant="light" tt="none" size="sm">
                      without password
                    </Badge>
                  )}
                </Group>
              </Table.Td>
              <Table.Td>
                <Time value={device.added} />
              </Table.Td>
              <Table.Td>
                <Time value={device.lastUsed} fallback="never" />
              </Table.Td>
              <Table.Td>
                <Tooltip label="Remove">
                  <ActionIcon
                    variant="subtle"
                    color="red"
                    aria-label={`Remove ${device.name}`}
                    onClick={() => props.onRemove(device)}
                  >
                    <IconTrash size={16} />
                  </ActionIcon>
                </Tooltip>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
