import { Anchor, Card, Grid, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { useMay, useSession } from '../../api/session.ts';
import { CopyLine } from '../../parts/copy-line.tsx';
import { itemOf } from '../../parts/resources/item.ts';
import { UNCHECKED } from '../../parts/resources/unchecked.ts';
import { addressesFor, type ConnectorKind } from './connector.ts';
import { TryOut } from './try-out.tsx';

/** Said below the editor of every connector. */
export const SECRETS_HINT =
  'Secrets (client_secret, private keys) are sealed when they are saved and are never shown again. Left out, the one that is there stays; written, it is replaced.';

/** The editor, and beside it what the provider has to know and a try-out. `draft` is undefined while the text has problems, {@link UNCHECKED} before its first check. */
export function Beside(props: {
  readonly kind: ConnectorKind;
  readonly stored: boolean;
  readonly draft: string | undefined;
  readonly children: ReactNode;
}): ReactNode {
  const { kind, draft } = props;
  const may = useMay();
  const { proxyPublicAddr } = useSession();
  const name = draft === undefined || draft === UNCHECKED ? '' : itemOf({ json: draft, revision: 0n }).name;
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, lg: 7 }}>{props.children}</Grid.Col>
      <Grid.Col span={{ base: 12, lg: 5 }}>
        <Stack gap="md">
          <Card withBorder component="section" aria-label="At the provider">
            <Stack gap="sm">
              <Title order={2}>At the provider</Title>
              {addressesFor(kind, name === '' ? 'name' : name, proxyPublicAddr).map((address) => (
                <Stack key={address.label} gap={4}>
                  <Text size="sm" fw={500}>
                    {address.label}
                  </Text>
                  <CopyLine value={address.value} label={address.label} />
                  <Text size="xs" c="dimmed">
                    {address.note}
                  </Text>
                </Stack>
              ))}
              {kind === 'saml' && props.stored && (
                <Anchor href={`/v1/webapi/saml/metadata/${encodeURIComponent(name)}`} size="sm" download>
                  Download our metadata
                </Anchor>
              )}
            </Stack>
          </Card>
          {may('auth_connector', 'create') && may('auth_connector', 'update') && <TryOut draft={draft} />}
        </Stack>
      </Grid.Col>
    </Grid>
  );
}
