import { useMutation } from '@connectrpc/connect-query';
import { Alert, Button, Card, Group, Stack, Table, Text } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconCircleX } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import {
  AuthService,
  ClientLoginPurpose,
  type GetClientLoginResponse,
} from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { codeOf } from '../../api/errors.ts';
import { loopbackUrl } from '../../api/leave.ts';
import { useSession } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { ProofForm, type Proof } from '../../parts/proof-form.tsx';
import { Time } from '../../parts/time.tsx';

type Outcome = 'approved' | 'denied';

/** What a terminal asks, where from and since when; approve or deny. A second factor is asked for when the server demands one. */
export function Approval({ login }: { readonly login: GetClientLoginResponse }): ReactNode {
  const [outcome, setOutcome] = useState<Outcome>();
  const isSignIn = login.purpose !== ClientLoginPurpose.MFA;
  if (outcome !== undefined) return <Done outcome={outcome} isSignIn={isSignIn} here={login.onThisMachine} />;
  return (
    <>
      <PageHeader
        title={isSignIn ? 'Sign in a terminal?' : 'Confirm with your second factor'}
        description={isSignIn ? 'tsh asks to be signed in as you' : login.description}
      />
      <Card withBorder padding="lg">
        <Stack gap="lg">
          <Facts login={login} isSignIn={isSignIn} />
          {isSignIn && !login.onThisMachine && (
            <Alert
              color="orange"
              icon={<IconAlertTriangle aria-hidden />}
              title="Only if you typed tsh login yourself"
              role="note"
            >
              Whoever sent you a code or this link would be signed in as you. Nobody at your company needs that.
            </Alert>
          )}
          <Decision login={login} isSignIn={isSignIn} onDone={setOutcome} />
        </Stack>
      </Card>
    </>
  );
}

function Facts({ login, isSignIn }: { readonly login: GetClientLoginResponse; readonly isSignIn: boolean }): ReactNode {
  const session = useSession();
  const rows: readonly (readonly [string, ReactNode])[] = [
    ['As', session.user],
    ...(isSignIn ? [] : ([['To', login.description]] as const)),
    ['Machine', login.hostName === '' ? 'does not say' : login.hostName],
    ['Address', login.clientAddress],
    ['Asked', <Time key="asked" value={login.started} />],
    ['Ends', <Time key="ends" value={login.expires} />],
  ];
  return (
    <Table variant="vertical" layout="fixed" aria-label="What is asked">
      <Table.Tbody>
        {rows.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th w={110}>{name}</Table.Th>
            <Table.Td style={{ overflowWrap: 'anywhere' }}>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Decision(props: {
  readonly login: GetClientLoginResponse;
  readonly isSignIn: boolean;
  readonly onDone: (outcome: Outcome) => void;
}): ReactNode {
  const decide = useMutation(AuthService.method.decideClientLogin);
  // A confirmation is nothing but the second factor; a sign-in may do without one, which the server knows.
  const [asksProof, setAsksProof] = useState(!props.isSignIn);
  const [failure, setFailure] = useState<unknown>();
  const { requestId } = props.login;
  const send = async (approve: boolean, mfa?: Proof): Promise<void> => {
    const { redirectUrl } = await decide.mutateAsync({ requestId, approve, ...(mfa === undefined ? {} : { mfa }) });
    if (redirectUrl !== '') window.location.assign(loopbackUrl(redirectUrl));
    props.onDone(approve ? 'approved' : 'denied');
  };
  const decideNow = async (approve: boolean): Promise<void> => {
    setFailure(undefined);
    try {
      await send(approve);
    } catch (error) {
      if (approve && codeOf(error).endsWith('MFA_REQUIRED')) setAsksProof(true);
      else setFailure(error);
    }
  };
  return (
    <Stack gap="md">
      {failure !== undefined && <ErrorState error={failure} what="That could not be decided" />}
      {asksProof && props.isSignIn && (
        <Text size="sm">Show your second factor as well, as you signed in a while ago.</Text>
      )}
      {asksProof && (
        <ProofForm action={props.isSignIn ? 'Approve' : 'Confirm'} onProof={(proof) => send(true, proof)} />
      )}
      <Group grow>
        <Button variant="default" size="md" onClick={() => void decideNow(false)} disabled={decide.isPending}>
          Deny
        </Button>
        {!asksProof && (
          <Button size="md" onClick={() => void decideNow(true)} loading={decide.isPending}>
            Approve
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function Done(props: { readonly outcome: Outcome; readonly isSignIn: boolean; readonly here: boolean }): ReactNode {
  if (props.outcome === 'denied')
    return (
      <div role="status">
        <EmptyState
          icon={IconCircleX}
          title="Denied"
          text="The terminal was told so. If you did not start this yourself, tell an administrator."
        />
      </div>
    );
  return (
    <div role="status">
      <EmptyState
        icon={IconCircleCheck}
        title={props.isSignIn ? 'Approved: the terminal is signed in' : 'Confirmed'}
        text={
          props.here
            ? 'Go back to the terminal; this tab can be closed.'
            : 'The terminal goes on within a few seconds; this tab can be closed.'
        }
      />
    </div>
  );
}
