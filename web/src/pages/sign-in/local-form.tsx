import { useMutation } from '@connectrpc/connect-query';
import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { enter } from './enter.ts';
import type { Attempt } from './factor-step.tsx';

/** Name and password of a local user. Either they are in, or the second factor is next. */
export function LocalForm(props: {
  readonly next: string;
  readonly prominent: boolean;
  readonly onAttempt: (attempt: Attempt) => void;
}): ReactNode {
  const begin = useMutation(AuthService.method.beginWebSignIn);
  const [typed, setUser] = useState('');
  const [password, setPassword] = useState('');
  const passwordField = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (begin.isError) passwordField.current?.focus();
  }, [begin.isError]);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const user = typed.trim();
    try {
      const begun = await begin.mutateAsync({ user, password });
      if (begun.signedIn) enter(props.next);
      else props.onAttempt({ user, ...begun });
    } catch {
      setPassword('');
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        {begin.isError && <ErrorState error={begin.error} what="You are not signed in" />}
        <TextInput
          label="User name"
          name="username"
          autoComplete="username webauthn"
          autoCapitalize="none"
          autoFocus={props.prominent}
          required
          value={typed}
          onChange={(event) => setUser(event.currentTarget.value)}
        />
        <PasswordInput
          ref={passwordField}
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button
          type="submit"
          size="md"
          mt="xs"
          variant={props.prominent ? 'filled' : 'default'}
          loading={begin.isPending}
        >
          Sign in
        </Button>
      </Stack>
    </form>
  );
}
