import { createClient } from '@connectrpc/connect';
import { Button, Card, Container, Stack, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { transport } from '../../api/transport.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { Approval } from '../confirm/approval.tsx';
import { isWhole, printUserCode } from './user-code.ts';

/** For a terminal on a machine without a browser: its code is typed here, then it is approved as any other. A code in the address is never taken: it would be somebody else's. */
export function Page(): ReactNode {
  const [code, setCode] = useState('');
  const field = useRef<HTMLInputElement>(null);
  const find = useMutation({
    mutationFn: (userCode: string) => createClient(AuthService, transport).getClientLogin({ userCode }),
  });
  const { isError } = find;
  useEffect(() => {
    if (isError) field.current?.select();
  }, [isError]);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isWhole(code)) find.mutate(code);
  };
  return (
    <Container size={560} px={0}>
      {find.data === undefined ? (
        <>
          <PageHeader title="Sign in a terminal" description="For a machine without a browser" />
          <Card withBorder padding="lg">
            <form onSubmit={submit}>
              <Stack gap="md">
                {isError && (
                  <ErrorState
                    error={find.error}
                    what="No terminal waits with that code"
                    next="Check the code; if it is right, run tsh login again for a new one."
                  />
                )}
                <TextInput
                  ref={field}
                  label="Code"
                  description="As tsh login shows it; letters only, it counts for a few minutes"
                  placeholder="WDJB-MJHT"
                  autoComplete="off"
                  autoCapitalize="characters"
                  spellCheck={false}
                  autoFocus
                  size="lg"
                  value={code}
                  onChange={(event) => setCode(printUserCode(event.currentTarget.value))}
                  styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', letterSpacing: '0.15em' } }}
                />
                <Button type="submit" size="md" disabled={!isWhole(code)} loading={find.isPending}>
                  Continue
                </Button>
              </Stack>
            </form>
          </Card>
        </>
      ) : (
        <Approval login={find.data} />
      )}
    </Container>
  );
}
