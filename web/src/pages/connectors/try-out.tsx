import { Anchor, Button, Card, Group, List, Loader, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import { ConnectError } from '@connectrpc/connect';
import { useQuery } from '@connectrpc/connect-query';
import { useMutation } from '@tanstack/react-query';
import { IconCheck, IconExternalLink, IconMinus, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import {
  AuthService,
  GetSsoTestResponse_State as State,
  type GetSsoTestResponse,
  type SsoTestStep,
} from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { codeOf } from '../../api/errors.ts';
import { providerUrl } from '../../api/leave.ts';
import { PageError } from '../../api/page-error.ts';
import { JsonText } from '../../parts/code-text.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { log } from '../../parts/events/log-client.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { UNCHECKED } from '../../parts/resources/unchecked.ts';
import { isJsonObject, stepOutcome, stepTitle } from './steps.ts';

const POLL_MS = 1500;

/** A sign-in with the text as it is in the editor, saved or not: nobody is signed in by it, and each step is told. */
export function TryOut({ draft }: { readonly draft: string | undefined }): ReactNode {
  const isUnchecked = draft === UNCHECKED;
  const starting = useMutation({
    mutationFn: async (json: string) => {
      // Opened by the click itself: later, browsers hold it for an advertisement.
      const tab = window.open('about:blank', '_blank');
      try {
        const { testId, redirectUrl } = await log.startSsoTest({ json });
        const url = providerUrl(redirectUrl);
        if (tab !== null) {
          tab.opener = null;
          tab.location.replace(url);
        }
        return { testId, url };
      } catch (error) {
        tab?.close();
        throw providerAway(error);
      }
    },
  });
  return (
    <Card withBorder component="section" aria-label="Try it">
      <Stack gap="sm">
        <Title order={2}>Try it</Title>
        <Text size="sm" c="dimmed">
          Signs in at the provider in a new tab with the text as it stands here, saved or not. Nobody is signed in to
          Tessera by it; come back here to see each step.
        </Text>
        <Group gap="sm">
          <Button
            variant="light"
            leftSection={<IconExternalLink size={16} aria-hidden />}
            disabled={draft === undefined || isUnchecked}
            loading={starting.isPending}
            onClick={() => (draft === undefined ? undefined : starting.mutate(draft))}
          >
            Test the sign-in
          </Button>
          {(draft === undefined || isUnchecked) && (
            <Text size="sm" c="dimmed">
              {isUnchecked ? 'The text is being checked.' : 'The text has problems.'}
            </Text>
          )}
        </Group>
        {starting.error !== null && <ErrorState error={starting.error} what="The test could not begin" />}
        {starting.data !== undefined && <Outcome testId={starting.data.testId} url={starting.data.url} />}
      </Stack>
    </Card>
  );
}

/** The provider does not answer, which is something else than that Tessera does not. */
function providerAway(error: unknown): unknown {
  if (codeOf(error) !== 'PROVIDER_UNREACHABLE') return error;
  return new PageError(
    'PROVIDER_UNREACHABLE',
    `The Auth Service reaches no such provider: ${ConnectError.from(error).rawMessage}.`,
    'Correct its address, or open the way from the Auth machine to it.',
  );
}

function Outcome({ testId, url }: { readonly testId: string; readonly url: string }): ReactNode {
  const { data, error } = useQuery(
    AuthService.method.getSsoTest,
    { testId },
    {
      staleTime: 0,
      refetchInterval: ({ state }) =>
        state.error !== null || (state.data !== undefined && state.data.state !== State.PENDING) ? false : POLL_MS,
      refetchIntervalInBackground: true,
    },
  );
  if (error !== null) return <ErrorState error={error} what="The test could not be followed" />;
  return (
    <Stack gap="sm">
      <div role="status">
        <Headline test={data} url={url} />
      </div>
      <List listStyleType="none" spacing="sm" m={0} p={0}>
        {(data?.steps ?? []).map((step, index) => (
          <List.Item key={index} styles={{ itemWrapper: { display: 'block' }, itemLabel: { display: 'block' } }}>
            <Step step={step} succeeded={data?.state === State.SUCCEEDED} />
          </List.Item>
        ))}
      </List>
    </Stack>
  );
}

function Headline({ test, url }: { readonly test: GetSsoTestResponse | undefined; readonly url: string }): ReactNode {
  if (test === undefined || test.state === State.PENDING)
    return (
      <Group gap="xs">
        <Loader size="xs" aria-hidden />
        <Text size="sm">
          Waiting for the provider’s answer. No tab opened?{' '}
          <Anchor href={url} target="_blank" rel="noopener noreferrer">
            Open the provider’s page
          </Anchor>
        </Text>
      </Group>
    );
  if (test.state === State.SUCCEEDED)
    return (
      <Text size="sm" fw={500} style={{ overflowWrap: 'anywhere' }}>
        It works: <VisibleText text={test.user} /> would be signed in with{' '}
        {test.roles.length === 1 ? 'the role' : 'the roles'} <VisibleText text={test.roles.join(', ')} />.
      </Text>
    );
  return (
    <Text size="sm" fw={500} c="var(--mantine-color-error)">
      Nobody would be signed in. The last step says why.
    </Text>
  );
}

const LOOKS = {
  'in order': { color: 'green', Icon: IconCheck },
  missed: { color: 'gray', Icon: IconMinus },
  note: { color: 'gray', Icon: IconMinus },
  failed: { color: 'red', Icon: IconX },
} as const;

function Step({ step, succeeded }: { readonly step: SsoTestStep; readonly succeeded: boolean }): ReactNode {
  const outcome = stepOutcome(step, succeeded);
  const { color, Icon } = LOOKS[outcome];
  return (
    <Group gap="xs" align="flex-start" wrap="nowrap">
      <ThemeIcon size={20} radius="xl" variant="light" color={color} aria-hidden mt={1}>
        <Icon size={12} />
      </ThemeIcon>
      <Stack gap={4} flex={1} miw={0}>
        <Text size="sm" fw={500}>
          {stepTitle(step.name)}
          {outcome === 'missed' ? (
            <Text span size="sm" c="dimmed">
              : missed
            </Text>
          ) : (
            <span className="visually-hidden">: {outcome}</span>
          )}
        </Text>
        {isJsonObject(step.detail) ? (
          <JsonText value={JSON.parse(step.detail)} />
        ) : (
          <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
            <VisibleText text={step.detail} layout="block" />
          </Text>
        )}
      </Stack>
    </Group>
  );
}
