import { Alert, Badge, Card, Group, Stack, Text, TextInput } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { IconPlugConnectedX, IconSearch } from '@tabler/icons-react';
import { useRef, useState, type ReactNode } from 'react';
import type { LiveSession } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { CardsSkeleton } from '../../parts/skeletons.tsx';
import { countWords } from '../../parts/time-words.ts';
import { useLiveSessions, type LiveState } from './live-data.ts';
import { LiveCard } from './live-card.tsx';
import { TerminateDialog } from './terminate-dialog.tsx';

/** Cards that are shown at once; a search narrows. */
const MOST_SHOWN = 200;

/** Who is where now, and what runs there; a session can be ended. */
export function Live(): ReactNode {
  const live = useLiveSessions();
  const [words, setWords] = useState('');
  const [ending, setEnding] = useState<LiveSession>();
  const input = useRef<HTMLInputElement>(null);
  useHotkeys([['/', () => input.current?.focus()]]);
  const matching = (live.sessions ?? []).filter((session) => matches(session, words));
  return (
    <Stack gap="sm">
      <Group gap="sm">
        <TextInput
          ref={input}
          aria-label="Search the live sessions"
          placeholder="User, database, address, statement"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
          flex="0 1 22rem"
        />
        <Standing live={live} shown={matching.length} />
      </Group>
      {live.state === 'lost' && (
        <Alert color="yellow" variant="light" title="The connection was lost">
          It begins again by itself. What is shown is as it was before.
        </Alert>
      )}
      {live.state === 'refused' && <ErrorState error={live.error} what="The live sessions can not be shown" />}
      {live.sessions === undefined && live.state !== 'refused' && <CardsSkeleton count={4} height={78} />}
      {matching.slice(0, MOST_SHOWN).map((session) => (
        <LiveCard
          key={session.sessionId}
          session={session}
          rates={live.rates.get(session.sessionId) ?? []}
          onEnd={() => setEnding(session)}
        />
      ))}
      {matching.length > MOST_SHOWN && (
        <Text c="dimmed" size="sm">
          {countWords(matching.length - MOST_SHOWN)} more; search to narrow.
        </Text>
      )}
      {live.sessions !== undefined && matching.length === 0 && <Nobody searching={live.sessions.length > 0} />}
      <TerminateDialog session={ending} onClose={() => setEnding(undefined)} />
    </Stack>
  );
}

function Standing({ live, shown }: { readonly live: LiveState; readonly shown: number }): ReactNode {
  const all = live.sessions?.length ?? 0;
  if (live.sessions === undefined) return null;
  return (
    <Group gap="xs">
      <Badge variant="light" color={live.state === 'live' ? 'green' : 'yellow'} tt="none">
        {live.state === 'live' ? 'live' : 'reconnecting'}
      </Badge>
      <Text size="sm" c="dimmed" role="status">
        {shown === all ? countWords(all) : `${countWords(shown)} of ${countWords(all)}`}{' '}
        {all === 1 ? 'session' : 'sessions'}
      </Text>
    </Group>
  );
}

function Nobody({ searching }: { readonly searching: boolean }): ReactNode {
  return (
    <Card withBorder>
      <EmptyState
        icon={IconPlugConnectedX}
        title={searching ? 'No session matches' : 'Nobody is connected now'}
        text={
          searching
            ? 'Search for fewer words.'
            : 'A session appears here within a second after somebody opened a database.'
        }
      />
    </Card>
  );
}

function matches(session: LiveSession, words: string): boolean {
  const text = [
    session.user,
    session.databaseService,
    session.databaseUser,
    session.databaseName,
    session.clientAddress,
    session.clientProgram,
    session.currentStatement,
    session.protocol,
  ]
    .join('\n')
    .toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
