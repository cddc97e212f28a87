import { useMutation } from '@connectrpc/connect-query';
import { Button, Stack } from '@mantine/core';
import { IconBrandGithub, IconBuilding, IconId } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { AuthService, type SignInConnector } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { providerUrl } from '../../api/leave.ts';
import { ErrorState } from '../../parts/error-state.tsx';

/** One button for each provider; the cluster's preferred one is filled and first. */
export function ProviderButtons(props: {
  readonly connectors: readonly SignInConnector[];
  readonly preferred: string;
  readonly next: string;
}): ReactNode {
  const start = useMutation(AuthService.method.startSso);
  const [leaving, setLeaving] = useState<string>();
  const [failure, setFailure] = useState<unknown>();
  const go = async (connector: string): Promise<void> => {
    setLeaving(connector);
    setFailure(undefined);
    try {
      const { redirectUrl } = await start.mutateAsync({ connector, returnTo: props.next });
      window.location.assign(providerUrl(redirectUrl));
    } catch (error) {
      setFailure(error);
      setLeaving(undefined);
    }
  };
  const isPreferred = (connector: SignInConnector): boolean => connector.name === props.preferred;
  const sorted = props.connectors.toSorted((a, b) => Number(isPreferred(b)) - Number(isPreferred(a)));
  if (sorted.length === 0) return null;
  return (
    <Stack gap="sm">
      {failure !== undefined && <ErrorState error={failure} what="The provider could not be asked" />}
      {sorted.map((connector) => (
        <Button
          key={`${connector.kind}/${connector.name}`}
          variant={isPreferred(connector) ? 'filled' : 'default'}
          size="md"
          fullWidth
          h="auto"
          mih={42}
          styles={{ label: { whiteSpace: 'normal', padding: '4px 0' } }}
          leftSection={<KindIcon kind={connector.kind} />}
          loading={leaving === connector.name}
          disabled={leaving !== undefined && leaving !== connector.name}
          onClick={() => void go(connector.name)}
        >
          Continue with {connector.display || connector.name}
        </Button>
      ))}
    </Stack>
  );
}

function KindIcon({ kind }: { readonly kind: string }): ReactNode {
  if (kind === 'github') return <IconBrandGithub size={18} aria-hidden />;
  return kind === 'saml' ? <IconBuilding size={18} aria-hidden /> : <IconId size={18} aria-hidden />;
}
