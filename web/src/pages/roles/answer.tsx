import { Badge, Box, Collapse, Group, List, Stack, Text, UnstyledButton } from '@mantine/core';
import { useDebouncedValue, useDisclosure } from '@mantine/hooks';
import { useQuery } from '@connectrpc/connect-query';
import { keepPreviousData } from '@tanstack/react-query';
import { IconChevronRight, IconCircleCheck, IconCircleX } from '@tabler/icons-react';
import { useId, type ReactNode } from 'react';
import {
  AuthService,
  type ExplainedDatabase,
  type ExplainedRole,
  type ExplainedRule,
} from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { TextSkeleton } from '../../parts/skeletons.tsx';
import { openingOf, reachWords, type Question } from './question.ts';
import { kindWords } from './role-words.ts';

const MOST_SHOWN = 100;
const PAUSE_MS = 300;

/** Each database with the answer and its reasons; then what may be administered. Asked a moment after the last change. */
export function Answer({ question }: { readonly question: Question }): ReactNode {
  const [settled] = useDebouncedValue(JSON.stringify(question), PAUSE_MS);
  const { data, isPending, error, refetch } = useQuery(
    AuthService.method.explainAccess,
    JSON.parse(settled) as Question,
    { placeholderData: keepPreviousData },
  );
  if (error !== null)
    return <ErrorState error={error} what="Access could not be explained" onRetry={() => void refetch()} />;
  if (isPending) return <TextSkeleton lines={5} />;
  const sorted = data.databases.toSorted(
    (a, b) => Number(openingOf(b).open) - Number(openingOf(a).open) || a.database.localeCompare(b.database),
  );
  const open = sorted.filter((database) => openingOf(database).open).length;
  return (
    <Stack gap="sm">
      <Text size="sm" role="status">
        {sorted.length === 0
          ? 'There is no database in this cluster yet.'
          : `${open} of ${sorted.length} ${sorted.length === 1 ? 'database' : 'databases'} open.`}
      </Text>
      <Stack gap={0}>
        {sorted.slice(0, MOST_SHOWN).map((database, index) => (
          <Database key={`${database.database} ${index}`} database={database} />
        ))}
      </Stack>
      {sorted.length > MOST_SHOWN && (
        <Text size="sm" c="dimmed">
          {sorted.length - MOST_SHOWN} more are not shown.
        </Text>
      )}
      <Rules rules={data.rules} />
    </Stack>
  );
}

function Database({ database }: { readonly database: ExplainedDatabase }): ReactNode {
  const [opened, { toggle }] = useDisclosure(false);
  const id = useId();
  const { open, not } = openingOf(database);
  return (
    <Box py="xs" style={{ borderTop: '1px solid var(--mantine-color-default-border)' }}>
      <UnstyledButton onClick={toggle} aria-expanded={opened} aria-controls={id} w="100%">
        <Group gap={8} wrap="nowrap">
          <IconChevronRight
            size={14}
            aria-hidden
            style={{ transform: opened ? 'rotate(90deg)' : 'none', flex: 'none' }}
          />
          <Text size="sm" fw={600} flex={1} miw={0} style={{ overflowWrap: 'anywhere' }}>
            <VisibleText text={database.database} />
          </Text>
          <Badge
            variant="light"
            color={open ? 'green' : 'gray'}
            tt="none"
            style={{ flex: 'none' }}
            leftSection={open ? <IconCircleCheck size={12} aria-hidden /> : <IconCircleX size={12} aria-hidden />}
          >
            {open ? 'open' : 'not open'}
          </Badge>
        </Group>
      </UnstyledButton>
      <Box pl={22}>
        {not !== '' && (
          <Text size="sm" fw={500}>
            {not}
          </Text>
        )}
        {open && (
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            <VisibleText
              text={`As ${reachWords('user', database.allowedUsers, database.deniedUsers)}; ${reachWords('database', database.allowedNames, database.deniedNames)}`}
            />
          </Text>
        )}
        {database.reasons.map((reason) => (
          <Text key={reason} size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            <VisibleText text={reason} />
          </Text>
        ))}
        <Collapse expanded={opened} id={id}>
          <ByRole roles={database.roles} />
        </Collapse>
      </Box>
    </Box>
  );
}

function ByRole({ roles }: { readonly roles: readonly ExplainedRole[] }): ReactNode {
  return (
    <>
      <Text size="sm" fw={500} mt={6}>
        Role by role
      </Text>
      {roles.length === 0 && (
        <Text size="sm" c="dimmed">
          No role is had.
        </Text>
      )}
      <List size="sm" spacing={2} withPadding>
        {roles.map((role) => (
          <List.Item key={role.role} style={{ overflowWrap: 'anywhere' }}>
            <Text span size="sm" fw={500}>
              <VisibleText text={role.role} />
            </Text>{' '}
            {role.verdict}
            {role.why !== '' && (
              <>
                : <VisibleText text={role.why} />
              </>
            )}
          </List.Item>
        ))}
      </List>
    </>
  );
}

function Rules({ rules }: { readonly rules: readonly ExplainedRule[] }): ReactNode {
  if (rules.length === 0) return null;
  return (
    <Box>
      <Text size="sm" fw={500} mb={4}>
        Administers and reads
      </Text>
      <List size="sm" spacing={2} withPadding>
        {rules.map((rule, index) => (
          <List.Item key={index} style={{ overflowWrap: 'anywhere' }}>
            {rule.deny ? 'never ' : ''}
            <VisibleText
              text={`${kindWords(rule.resource)}: ${rule.verbs.join(', ')}${rule.where === '' ? '' : `, where ${rule.where}`}`}
            />
            <Text span size="sm" c="dimmed">
              {' '}
              by <VisibleText text={rule.role} />
            </Text>
          </List.Item>
        ))}
      </List>
    </Box>
  );
}
