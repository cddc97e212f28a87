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
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const passwordField = useRef<HTMLInputElement>(null);
  const { isError } = begin;
  // After a refusal the password is empty and next to be typed.
  useEffect(() => {
    if (isError) passwordField.current?.focus();
  }, [isError]);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    try {
      const begun = await begin.mutateAsync({ user: user.trim(), password });
      if (begun.signedIn) enter(props.next);
      else props.onAttempt({ user: user.trim(), ...begun });
    } catch {
      setPassword('');
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        {isError && <ErrorState error={begin.error} what="You are not signed in" />}
        <TextInput
          label="User name"
          name="username"
          autoComplete="username webauthn"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus={props.prominent}
          required
          withAsterisk={false}
          value={user}
          onChange={(event) => setUser(event.currentTarget.value)}
        />
        <PasswordInput
          ref={passwordField}
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button
          type="submit"
          size="md"
          fullWidth
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
