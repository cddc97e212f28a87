import { Badge, Button, Card, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { IconLogout } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useSession } from '../../api/session.ts';
import { signOut } from '../../app/sign-out.ts';
import { PageHeader } from '../../parts/page-header.tsx';
import { Time } from '../../parts/time.tsx';
import { Factors } from './factors.tsx';
import { traitsOf } from './traits.ts';

const SHOWN = { otp: 'with a one-time code', webauthn: 'with a passkey' } as const;

/** The signed-in person about themselves: who they are here, what proves it, until when. */
export function Page(): ReactNode {
  const session = useSession();
  const factor = session.mfa === 'otp' || session.mfa === 'webauthn' ? SHOWN[session.mfa] : '';
  return (
    <>
      <PageHeader
        title="Your account"
        description={`${session.user}, ${session.userKind === 'sso' ? 'signed in by a provider' : 'a local user'}`}
        actions={
          <Button variant="default" leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void signOut()}>
            Sign out
          </Button>
        }
      />
      <Stack gap="lg">
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Card withBorder padding="lg">
            <Title order={2} mb="sm">
              Roles
            </Title>
            <Group gap={6}>
              {session.roles.map((role) => (
                <Badge key={role} variant="light" tt="none">
                  {role}
                </Badge>
              ))}
            </Group>
            {session.roles.length === 0 && <Text c="dimmed">None; you can reach nothing yet.</Text>}
            <Text size="sm" c="dimmed" mt="sm">
              {session.userKind === 'sso'
                ? 'They come from your groups at the provider, anew at each sign-in.'
                : 'An administrator gives and takes them.'}
            </Text>
          </Card>
          <Card withBorder padding="lg">
            <Title order={2} mb="sm">
              This sign-in
            </Title>
            <Text size="sm">
              Ends by itself <Time value={session.expires} />
              {factor === '' ? '.' : `; you proved who you are ${factor}.`}
            </Text>
            <Text size="sm" c="dimmed" mt="xs">
              Signing out ends it in this browser at once; terminals that are signed in stay so.
            </Text>
          </Card>
        </SimpleGrid>
        <Factors />
        <Traits json={session.traitsJson} />
      </Stack>
    </>
  );
}

function Traits({ json }: { readonly json: string }): ReactNode {
  const traits = traitsOf(json);
  return (
    <Card withBorder padding="lg">
      <Title order={2} mb="sm">
        Traits
      </Title>
      {traits.length === 0 ? (
        <Text size="sm" c="dimmed">
          None. Traits are values that roles can refer to, such as your database user names.
        </Text>
      ) : (
        <Table variant="vertical">
          <Table.Tbody>
            {traits.map(([name, values]) => (
              <Table.Tr key={name}>
                <Table.Th w={200}>{name}</Table.Th>
                <Table.Td style={{ overflowWrap: 'anywhere' }}>{values.join(', ') || '–'}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}
