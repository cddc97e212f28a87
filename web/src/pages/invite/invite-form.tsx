import { useMutation } from '@connectrpc/connect-query';
import { Button, Group, List, PasswordInput, SegmentedControl, Stack, Text, Title } from '@mantine/core';
import { IconCircle, IconCircleCheck } from '@tabler/icons-react';
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { AuthService, type StartInviteResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { canUsePasskeys } from '../../api/passkey.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { OneTimeCodeSetup } from '../../parts/one-time-code-setup.tsx';
import { enter } from '../sign-in/enter.ts';
import { isAcceptable, passwordRules } from './password-rules.ts';
import { PasskeySetup } from './passkey-setup.tsx';

type Factor = 'otp' | 'webauthn';

/** Password and second factor at once, as the server takes them at once. */
export function InviteForm(props: { readonly token: string; readonly invitation: StartInviteResponse }): ReactNode {
  const { invitation } = props;
  const accept = useMutation(AuthService.method.acceptInvite);
  const factors = factorsOf(invitation);
  const [password, setPassword] = useState('');
  const [repeated, setRepeated] = useState('');
  const [factor, setFactor] = useState<Factor | undefined>(factors[0]);
  const [code, setCode] = useState('');
  const [passkey, setPasskey] = useState('');
  const failure = useRef<HTMLDivElement>(null);
  const { isError } = accept;
  useEffect(() => {
    if (isError) failure.current?.focus();
  }, [isError]);
  const hasFactor = factors.length === 0 || code.length === 6 || passkey !== '';
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!isAcceptable(password, repeated) || !hasFactor) return;
    try {
      await accept.mutateAsync({
        token: props.token,
        password,
        oneTimeCode: code.length === 6 ? code : '',
        webauthnResponseJson: passkey,
        webauthnDeviceName: passkey === '' ? '' : 'passkey',
      });
      enter('/web/');
    } catch {
      setCode('');
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="lg">
        {isError && (
          <div ref={failure} tabIndex={-1}>
            <ErrorState error={accept.error} what="That was not accepted" />
          </div>
        )}
        <PasswordFields
          user={invitation.user}
          password={password}
          repeated={repeated}
          onPassword={setPassword}
          onRepeated={setRepeated}
        />
        {factor !== undefined && (
          <Stack gap="sm">
            <Title order={2}>Second factor</Title>
            {factors.length > 1 && (
              <SegmentedControl
                fullWidth
                aria-label="Kind of second factor"
                value={factor}
                onChange={(value) => setFactor(value === 'webauthn' ? 'webauthn' : 'otp')}
                data={[
                  { value: 'otp', label: 'Authenticator app' },
                  { value: 'webauthn', label: 'Passkey' },
                ]}
              />
            )}
            {factor === 'otp' && <OneTimeCodeSetup uri={invitation.oneTimeCodeUri} code={code} onCode={setCode} />}
            {factor === 'webauthn' && (
              <PasskeySetup optionsJson={invitation.webauthnOptionsJson} done={passkey !== ''} onDone={setPasskey} />
            )}
            {factors.length > 1 && (
              <Text size="xs" c="dimmed">
                One is enough; with both you can still sign in when one is lost.
              </Text>
            )}
          </Stack>
        )}
        <Button
          type="submit"
          size="md"
          fullWidth
          loading={accept.isPending}
          disabled={!isAcceptable(password, repeated) || !hasFactor}
        >
          {invitation.kind === 'reset' ? 'Save and sign in' : 'Finish and sign in'}
        </Button>
      </Stack>
    </form>
  );
}

function PasswordFields(props: {
  readonly user: string;
  readonly password: string;
  readonly repeated: string;
  readonly onPassword: (value: string) => void;
  readonly onRepeated: (value: string) => void;
}): ReactNode {
  return (
    <Stack gap="sm">
      <Title order={2}>Password</Title>
      {/* For password managers, which keep a password under the name beside it. */}
      <input type="text" name="username" autoComplete="username" value={props.user} readOnly hidden />
      <PasswordInput
        label="New password"
        autoComplete="new-password"
        aria-describedby="password-rules"
        autoFocus
        value={props.password}
        onChange={(event) => props.onPassword(event.currentTarget.value)}
      />
      <PasswordInput
        label="Once more"
        autoComplete="new-password"
        value={props.repeated}
        onChange={(event) => props.onRepeated(event.currentTarget.value)}
      />
      <List id="password-rules" listStyleType="none" size="sm" spacing={4} aria-live="polite">
        {passwordRules(props.password, props.repeated).map((rule) => (
          <List.Item key={rule.text} c={rule.met ? 'bright' : 'dimmed'}>
            <Group gap={6} wrap="nowrap" align="flex-start">
              {rule.met ? (
                <IconCircleCheck
                  size={16}
                  color="var(--mantine-color-green-text)"
                  style={{ flexShrink: 0, marginTop: 3 }}
                  aria-hidden
                />
              ) : (
                <IconCircle size={16} style={{ flexShrink: 0, marginTop: 3 }} aria-hidden />
              )}
              <span>
                {rule.text}
                <span className="visually-hidden">{rule.met ? ': met' : ': not yet'}</span>
              </span>
            </Group>
          </List.Item>
        ))}
      </List>
    </Stack>
  );
}

function factorsOf(invitation: StartInviteResponse): readonly Factor[] {
  const factors: Factor[] = [];
  if (invitation.oneTimeCodeUri !== '') factors.push('otp');
  if (invitation.webauthnOptionsJson !== '' && canUsePasskeys()) factors.push('webauthn');
  return factors;
}
