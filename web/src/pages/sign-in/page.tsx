import { useQuery } from '@connectrpc/connect-query';
import { Alert, Box, Divider, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { useState, type ReactNode } from 'react';
import { AuthService, type GetSignInOptionsResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { safeNext } from '../../api/next-path.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { TextSkeleton } from '../../parts/skeletons.tsx';
import { FactorStep, type Attempt } from './factor-step.tsx';
import { LocalForm } from './local-form.tsx';
import { PasskeyButton } from './passkey-button.tsx';
import { ProviderButtons } from './provider-buttons.tsx';
import { refusalWords } from './refusal-words.ts';

/** Sign-in: by a provider, by name and password with a second factor, or by a passkey alone; as the cluster offers. */
export function Page(): ReactNode {
  useDocumentTitle('Sign in · Tessera');
  const [query] = useState(() => new URLSearchParams(window.location.search));
  const next = safeNext(query.get('next'));
  const refusal = query.get('error');
  const options = useQuery(AuthService.method.getSignInOptions, {}, { staleTime: Infinity });
  const [attempt, setAttempt] = useState<Attempt>();
  return (
    <>
      <Box>
        <Title order={1}>{attempt === undefined ? 'Sign in' : 'One more step'}</Title>
        <Text c="dimmed" size="sm" mih={22}>
          {attempt === undefined ? (options.data?.clusterName ?? '') : `Confirm that you are ${attempt.user}`}
        </Text>
      </Box>
      {attempt === undefined && refusal !== null && <Refusal code={refusal} />}
      {options.isPending && <TextSkeleton lines={5} />}
      {options.isError && (
        <ErrorState
          error={options.error}
          what="The sign-in page could not be loaded"
          onRetry={() => void options.refetch()}
        />
      )}
      {attempt !== undefined && <FactorStep attempt={attempt} next={next} onBack={() => setAttempt(undefined)} />}
      {attempt === undefined && options.data !== undefined && (
        <Ways options={options.data} next={next} onAttempt={setAttempt} />
      )}
    </>
  );
}

function Ways(props: {
  readonly options: GetSignInOptionsResponse;
  readonly next: string;
  readonly onAttempt: (attempt: Attempt) => void;
}): ReactNode {
  const { connectors, local, passwordless, messageOfTheDay, preferred } = props.options;
  if (!local && connectors.length === 0)
    return (
      <Alert color="yellow" title="Nobody can sign in here yet">
        Local users are switched off and no provider is connected. An administrator can change it on the Auth Service’s
        machine.
      </Alert>
    );
  return (
    <Stack gap="md">
      {messageOfTheDay !== '' && (
        <Alert color="gray" variant="light" role="note">
          <Text size="sm" style={{ whiteSpace: 'pre-line' }}>
            {messageOfTheDay}
          </Text>
        </Alert>
      )}
      <ProviderButtons connectors={connectors} preferred={preferred} next={props.next} />
      {connectors.length > 0 && local && <Divider label="or with a local account" />}
      {local && (
        <LocalForm
          onAttempt={props.onAttempt}
          next={props.next}
          prominent={connectors.length === 0 || preferred === 'local'}
        />
      )}
      {local && passwordless && <PasskeyButton next={props.next} />}
    </Stack>
  );
}

function Refusal({ code }: { readonly code: string }): ReactNode {
  const { title, text } = refusalWords(code);
  return (
    <Alert color="red" title={title} role="alert">
      <Text size="sm">{text}</Text>
    </Alert>
  );
}
