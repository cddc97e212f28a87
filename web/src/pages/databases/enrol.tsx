import { Button, Card, Group, Stack, Stepper, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import type { AddTokenResponse } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay, useSession } from '../../api/session.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { log } from '../../parts/events/log-client.ts';
import { AnchorLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { AgentStep, PrepareStep } from './enrol-steps.tsx';
import { defaultPort, type Joining, type Plan } from './enrolment.ts';
import { Joined } from './joined.tsx';
import { PlanForm } from './plan-form.tsx';

/** A token of the wizard lets one agent in, within this time. */
const TOKEN_SECONDS = 3600;

/** From a protocol to the first connection: what it is, what the database needs, what runs beside it, and that it has come. */
export function Page(): ReactNode {
  const may = useMay();
  const [step, setStep] = useState(0);
  const [plan, setPlan] = useState<Plan>({
    protocol: 'postgres',
    name: '',
    uri: `localhost:${defaultPort('postgres')}`,
    labels: 'env=dev',
  });
  if (!may('token', 'create')) {
    return (
      <>
        <PageHeader title="Add a database" description={<Back />} />
        <Card withBorder>
          <Text>Your roles do not let you make join tokens. An administrator who may can add databases here.</Text>
        </Card>
      </>
    );
  }
  return (
    <>
      <PageHeader title="Add a database" description={<Back />} />
      <Card withBorder padding="lg" maw={880}>
        <Stepper active={step} onStepClick={setStep} allowNextStepsSelect={false} size="sm" mb="lg">
          <Stepper.Step label="Database" description="What and where" />
          <Stepper.Step label="Preparation" description="Its certificates" />
          <Stepper.Step label="Agent" description="Beside it" />
        </Stepper>
        {step === 0 && <PlanForm plan={plan} onChange={setPlan} onDone={() => setStep(1)} />}
        {step === 1 && <PrepareStep plan={plan} onBack={() => setStep(0)} onNext={() => setStep(2)} />}
        {step === 2 && <Enrolling plan={plan} onBack={() => setStep(1)} />}
      </Card>
    </>
  );
}

function Enrolling(props: { readonly plan: Plan; readonly onBack: () => void }): ReactNode {
  const session = useSession();
  const token = useMutation({
    mutationFn: () => log.addToken({ roles: ['db'], ttlSeconds: TOKEN_SECONDS, uses: 1, value: '' }),
  });
  const joining = joiningOf(token.data, session.proxyPublicAddr, session.caPins);
  return (
    <Stack gap="lg">
      {joining === undefined ? (
        <MakeToken busy={token.isPending} error={token.error} onMake={() => token.mutate()} />
      ) : (
        <>
          <AgentStep
            plan={props.plan}
            joining={joining}
            expires={token.data?.expires ?? ''}
            onAgain={() => token.mutate()}
          />
          <Joined name={props.plan.name} />
        </>
      )}
      <Group>
        <Button variant="default" onClick={props.onBack}>
          Back
        </Button>
      </Group>
    </Stack>
  );
}

function joiningOf(made: AddTokenResponse | undefined, proxy: string, pins: readonly string[]): Joining | undefined {
  return made === undefined
    ? undefined
    : { token: made.token, caPins: made.caPins.length > 0 ? made.caPins : pins, proxy };
}

function MakeToken(props: { readonly busy: boolean; readonly error: unknown; readonly onMake: () => void }): ReactNode {
  return (
    <Stack gap="sm">
      <Text size="sm">
        The agent joins the cluster with a token that is good for one machine and one hour. It is shown on this page and
        nowhere else.
      </Text>
      {props.error !== null && (
        <ErrorState error={props.error} what="The token could not be made" onRetry={props.onMake} />
      )}
      <Group>
        <Button onClick={props.onMake} loading={props.busy}>
          Make a token
        </Button>
      </Group>
    </Stack>
  );
}

function Back(): ReactNode {
  return <AnchorLink to="/databases">All databases</AnchorLink>;
}
