import { useQuery } from '@connectrpc/connect-query';
import { Container } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { isPassing } from '../../api/errors.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { TextSkeleton } from '../../parts/skeletons.tsx';
import { Approval } from './approval.tsx';

/** What tsh opened in the browser: a sign-in of a terminal to approve, or a second factor to show. */
export function Page(): ReactNode {
  const { id } = useParams({ from: '/shell/confirm/$id' });
  const login = useQuery(
    AuthService.method.getClientLogin,
    { requestId: id },
    { staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false },
  );
  return (
    <Container size={560} px={0}>
      {login.data === undefined && <PageHeader title="Confirm" description="A terminal asks for you" />}
      {login.isPending && <TextSkeleton lines={6} />}
      {login.isError && (
        <ErrorState
          error={login.error}
          what="There is nothing to confirm here"
          {...(isPassing(login.error)
            ? { onRetry: () => void login.refetch() }
            : { next: 'It was answered already, or took too long. Begin again in the terminal.' })}
        />
      )}
      {login.data !== undefined && <Approval login={login.data} />}
    </Container>
  );
}
