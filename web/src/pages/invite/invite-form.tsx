import { useMutation } from '@connectrpc/connect-query';
import { Button, SegmentedControl, Stack, Text, Title } from '@mantine/core';
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { AuthService, type StartInviteResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { canUsePasskeys } from '../../api/passkey.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { OneTimeCodeSetup } from '../../parts/one-time-code-setup.tsx';
import { enter } from '../sign-in/enter.ts';
import { PasswordFields } from './password-fields.tsx';
import { isAcceptable } from './password-rules.ts';
import { PasskeySetup } from './passkey-setup.tsx';

type Factor = 'otp' | 'webauthn';

/** Password and second factor at once, as the server takes them at once. */
export function InviteForm(props: { readonly token: string; readonly invitation: StartInviteResponse }): ReactNode {
  const { invitation } = props;
  const accept = useMutation(AuthService.method.acceptInvite);
  const factors = factorsOf(invitation);
  const [password, setPassword] = useState('');
  const [repeated, setRepeated] = useState('');
  const [code, setCode] = useState('');
  const [passkey, setPasskey] = useState('');
  const failure = useRef<HTMLDivElement>(null);
  const { isError } = accept;
  useEffect(() => {
    if (isError) failure.current?.focus();
  }, [isError]);
  const isReady = isAcceptable(password, repeated) && (factors.length === 0 || code.length === 6 || passkey !== '');
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!isReady) return;
    try {
      const device = { webauthnResponseJson: passkey, webauthnDeviceName: passkey === '' ? '' : 'passkey' };
      await accept.mutateAsync({ token: props.token, password, oneTimeCode: code.length === 6 ? code : '', ...device });
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
        {factors.length > 0 && (
          <FactorFields
            invitation={invitation}
            factors={factors}
            code={code}
            onCode={setCode}
            hasPasskey={passkey !== ''}
            onPasskey={setPasskey}
          />
        )}
        <Button type="submit" size="md" fullWidth loading={accept.isPending} disabled={!isReady}>
          {invitation.kind === 'reset' ? 'Save and sign in' : 'Finish and sign in'}
        </Button>
      </Stack>
    </form>
  );
}

function FactorFields(props: {
  readonly invitation: StartInviteResponse;
  readonly factors: readonly Factor[];
  readonly code: string;
  readonly onCode: (digits: string) => void;
  readonly hasPasskey: boolean;
  readonly onPasskey: (responseJson: string) => void;
}): ReactNode {
  const [factor, setFactor] = useState(props.factors[0]);
  const choice = props.factors.length > 1;
  return (
    <Stack gap="sm">
      <Title order={2}>Second factor</Title>
      {choice && (
        <SegmentedControl
          fullWidth
          aria-label="Kind of second factor"
          value={factor ?? 'otp'}
          onChange={(value) => setFactor(value === 'webauthn' ? 'webauthn' : 'otp')}
          data={[
            { value: 'otp', label: 'Authenticator app' },
            { value: 'webauthn', label: 'Passkey' },
          ]}
        />
      )}
      {factor === 'otp' && (
        <OneTimeCodeSetup uri={props.invitation.oneTimeCodeUri} code={props.code} onCode={props.onCode} />
      )}
      {factor === 'webauthn' && (
        <PasskeySetup
          optionsJson={props.invitation.webauthnOptionsJson}
          done={props.hasPasskey}
          onDone={props.onPasskey}
        />
      )}
      {choice && (
        <Text size="xs" c="dimmed">
          One is enough; with both you can still sign in when one is lost.
        </Text>
      )}
    </Stack>
  );
}

function factorsOf(invitation: StartInviteResponse): readonly Factor[] {
  const factors: Factor[] = [];
  if (invitation.oneTimeCodeUri !== '') factors.push('otp');
  if (invitation.webauthnOptionsJson !== '' && canUsePasskeys()) factors.push('webauthn');
  return factors;
}
