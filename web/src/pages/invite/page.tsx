import { useQuery } from '@connectrpc/connect-query';
import { Box, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { useState, type ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { isPassing } from '../../api/errors.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { TextSkeleton } from '../../parts/skeletons.tsx';
import { Time } from '../../parts/time.tsx';
import { heldToken } from './held-token.ts';
import { InviteForm } from './invite-form.tsx';

/** The page of an invitation's or a reset's link: a password and a second factor, then the person is in. */
export function Page(): ReactNode {
  const [token] = useState(heldToken);
  useDocumentTitle('Invitation · Tessera');
  if (token === undefined)
    return (
      <>
        <Title order={1}>Open your link again</Title>
        <Text>This page forgets the link when it is loaded anew. The link itself still works until it was used.</Text>
      </>
    );
  return <Invitation token={token} />;
}

function Invitation({ token }: { readonly token: string }): ReactNode {
  // Asked once: every start makes a fresh secret, and the one that was scanned must stay the one that counts.
  const start = useQuery(
    AuthService.method.startInvite,
    { token },
    { staleTime: Infinity, gcTime: 0, retry: false, refetchOnWindowFocus: false, refetchOnReconnect: false },
  );
  if (start.isPending)
    return (
      <>
        <Title order={1}>Welcome</Title>
        <TextSkeleton lines={8} />
      </>
    );
  if (start.isError)
    return (
      <>
        <Title order={1}>This link can not be used</Title>
        <ErrorState
          error={start.error}
          what="The invitation could not be opened"
          {...(isPassing(start.error)
            ? { onRetry: () => void start.refetch() }
            : { next: 'Links work once and not for long: ask an administrator for a new one.' })}
        />
      </>
    );
  const isReset = start.data.kind === 'reset';
  return (
    <>
      <Box>
        <Title order={1}>{isReset ? 'Set a new password' : `Welcome, ${start.data.user}`}</Title>
        <Text c="dimmed" size="sm">
          {isReset
            ? `For ${start.data.user}; earlier passwords and factors no longer count. `
            : 'Two steps, and you are in. '}
          The link ends <Time value={start.data.expires} />.
        </Text>
      </Box>
      <InviteForm token={token} invitation={start.data} />
    </>
  );
}
