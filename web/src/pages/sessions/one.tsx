import { Alert, Anchor, Badge, Button, Card, Group, Stack } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { IconDownload, IconPlugConnectedX } from '@tabler/icons-react';
import { Link, useLocation, useNavigate, useParams } from '@tanstack/react-router';
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { useMay, useSession } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { visible } from '../../parts/events/visible.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import type { AuditEvent } from '../../parts/events/event.ts';
import { KeyHelp } from '../../parts/key-help.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { PageSkeleton } from '../../parts/skeletons.tsx';
import { auditPath, NO_FILTERS, requestOf } from '../audit/filters.ts';
import { neighbour, SPEEDS } from './replay.ts';
import { ReplayBar } from './replay-bar.tsx';
import { useSessionData, type SessionData } from './session-data.ts';
import { Statements } from './statements.tsx';
import type { Entry, Story } from './story.ts';
import { Summary } from './summary.tsx';
import { TerminateDialog } from './terminate-dialog.tsx';
import { type Replay, useReplay } from './use-replay.ts';

const EventDrawer = lazy(async () => ({ default: (await import('../audit/event-drawer.tsx')).EventDrawer }));
const ExportDialog = lazy(async () => ({ default: (await import('../audit/export-dialog.tsx')).ExportDialog }));

/** One session: its statements in order, and a replay. */
export function Page(): ReactNode {
  const { sid = '' } = useParams({ strict: false });
  const data = useSessionData(sid);
  const { story, found } = data;
  if (story !== undefined) return <Told key={sid} story={story} data={data} />;
  return (
    <>
      <PageHeader title="Session" description={<Back />} />
      {found.error !== null ? (
        <ErrorState error={found.error} what="The session could not be read" onRetry={found.retry} />
      ) : found.isPending || found.isOld ? (
        <PageSkeleton />
      ) : (
        <Card withBorder>
          <EmptyState
            icon={IconPlugConnectedX}
            title="Nothing of this session is on record"
            text="It may have just begun, its events may still be with the agent, or its days of the log were deleted."
          />
        </Card>
      )}
    </>
  );
}

function Told({ story, data }: { readonly story: Story; readonly data: SessionData }): ReactNode {
  const { entries } = story;
  const replay = useReplay(entries);
  const [selected, select] = useSelected(entries);
  const [opened, setOpened] = useState<AuditEvent>();
  const [wasOpened, setWasOpened] = useState(false);
  const [help, setHelp] = useState(false);
  const isReplaying = replay.shown !== undefined;
  const open = (index: number): void => {
    select(index);
    setWasOpened(true);
    setOpened(entries[index]?.event);
  };
  useReplayKeys(replay, () => setHelp(true));
  return (
    <Stack gap="sm">
      <PageHeader
        title={`${visible(story.user)} on ${visible(story.database)}`}
        description={<Back />}
        actions={<Actions story={story} isOpen={data.isOpen} help={help} onHelp={setHelp} />}
      />
      <Notices story={story} data={data} />
      <Summary story={story} nowMs={entries.at(-1)?.event.timeMs ?? story.startedMs} />
      {entries.length === 0 ? (
        <Card withBorder>
          <EmptyState title={data.isOpen ? 'No statement yet' : 'No statement was sent'} />
        </Card>
      ) : (
        <>
          <ReplayBar replay={replay} entries={entries} />
          <Statements
            entries={entries}
            shown={replay.shown}
            current={isReplaying ? replay.last : selected}
            onSelect={select}
            onOpen={open}
          />
        </>
      )}
      <Suspense>
        {wasOpened && (
          <Opened
            event={opened}
            onEvent={setOpened}
            onStep={(by) => {
              const at = entries.findIndex(({ event }) => event.uid === opened?.uid);
              open(Math.max(0, Math.min(entries.length - 1, (at === -1 ? selected : at) + by)));
            }}
          />
        )}
      </Suspense>
    </Stack>
  );
}

/** The selected entry; the address may name one by its number in the session, which may come with a later page. */
function useSelected(entries: readonly Entry[]): readonly [number, (entry: number) => void] {
  const { search } = useLocation();
  const at = Number(search['at'] ?? -1);
  const [chosen, choose] = useState<number>();
  // A result's number belongs to its statement.
  const linked = entries.findLastIndex(({ index, answer }) => index === at || answer?.event.index === at);
  return [chosen ?? (at >= 0 ? linked : -1), choose];
}

function useReplayKeys(replay: Replay, onHelp: () => void): void {
  const step = (direction: 1 | -1) => (): void =>
    replay.set((old) => ({
      ...old,
      positionMs: neighbour(replay.timeline, Math.min(old.positionMs, replay.timeline.lengthMs), direction),
    }));
  const faster = (by: 1 | -1) => (): void =>
    replay.set((old) => ({ ...old, speed: SPEEDS[SPEEDS.indexOf(old.speed) + by] ?? old.speed }));
  useHotkeys(
    [
      ['space', replay.playOrPause],
      [',', step(-1)],
      ['.', step(1)],
      ['+', faster(1)],
      ['shift+plus', faster(1)],
      ['-', faster(-1)],
      ['w', () => replay.pace(!replay.readable)],
      ['shift+?', onHelp],
    ],
    ['INPUT', 'TEXTAREA', 'SELECT', 'BUTTON', 'A'],
  );
}

const SHORTCUTS = [
  { keys: ['Space'], what: 'play, pause' },
  { keys: [',', '.'], what: 'statement before, next' },
  { keys: ['+', '-'], what: 'faster, slower' },
  { keys: ['w'], what: 'readable or true pace' },
  { keys: ['j', 'k'], what: 'in the list: next, before' },
  { keys: ['Enter'], what: 'open the statement' },
  { keys: ['Esc'], what: 'close it' },
  { keys: ['?'], what: 'these keys' },
] as const;

function Actions(props: {
  readonly story: Story;
  readonly isOpen: boolean;
  readonly help: boolean;
  readonly onHelp: (opened: boolean) => void;
}): ReactNode {
  const { story } = props;
  const me = useSession();
  const may = useMay();
  const [exporting, setExporting] = useState(false);
  const [ending, setEnding] = useState(false);
  const target = { sessionId: story.session, user: story.user, databaseService: story.database };
  return (
    <Group gap="xs">
      {props.isOpen && (story.user === me.user || may('lock', 'create')) && (
        <Button color="red" variant="light" onClick={() => setEnding(true)}>
          Terminate
        </Button>
      )}
      <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />} onClick={() => setExporting(true)}>
        Export
      </Button>
      <KeyHelp shortcuts={SHORTCUTS} opened={props.help} onChange={props.onHelp} />
      <TerminateDialog session={ending ? target : undefined} onClose={() => setEnding(false)} />
      {exporting && (
        <Suspense>
          <ExportDialog
            opened
            onClose={() => setExporting(false)}
            request={requestOf({ ...NO_FILTERS, range: 'all', session: story.session }, 0)}
            cluster={me.clusterName}
            expected={0}
          />
        </Suspense>
      )}
    </Group>
  );
}

function EndWords({ story: { reason, terminated } }: { readonly story: Story }): ReactNode {
  // Something else may have been faster than the lock.
  if (reason !== 'locked' || terminated === undefined) return <VisibleText text={reason} />;
  return (
    <>
      <VisibleText text={terminated.by} /> terminated it
      {terminated.message !== '' && (
        <>
          : <VisibleText text={terminated.message} />
        </>
      )}
    </>
  );
}

function Notices({ story, data }: { readonly story: Story; readonly data: SessionData }): ReactNode {
  return (
    <>
      {data.isOpen && !data.isLoading && (
        <Group gap="xs">
          <Badge color="green" variant="light" tt="none">
            goes on
          </Badge>
        </Group>
      )}
      {story.refused && (
        <Alert color="red" variant="light" title="This session was refused">
          <VisibleText text={story.reason} />
        </Alert>
      )}
      {!story.refused &&
        story.endedMs !== undefined &&
        story.reason !== '' &&
        !story.reason.startsWith('closed by the') && (
          <Alert color="yellow" variant="light" title="Tessera ended it">
            <EndWords story={story} />
          </Alert>
        )}
      {data.isCut && (
        <Alert color="yellow" variant="light" title="Not everything is shown">
          The session is longer than what fits into a page. Export has all of it.
        </Alert>
      )}
      {data.found.error !== null && (
        <ErrorState
          error={data.found.error}
          what="The rest of the session could not be read"
          onRetry={data.found.retry}
        />
      )}
    </>
  );
}

function Opened(props: {
  readonly event: AuditEvent | undefined;
  readonly onEvent: (event: AuditEvent | undefined) => void;
  readonly onStep: (by: 1 | -1) => void;
}): ReactNode {
  const navigate = useNavigate();
  return (
    <EventDrawer
      event={props.event}
      onClose={() => props.onEvent(undefined)}
      onStep={props.onStep}
      onShow={props.onEvent}
      onFilter={(filters) => void navigate(auditPath(filters))}
      linkTo={({ session, index }) =>
        `${window.location.origin}/web/sessions/${encodeURIComponent(session)}?at=${index}`
      }
    />
  );
}

function Back(): ReactNode {
  return (
    <Anchor size="sm" renderRoot={(root) => <Link {...root} to="/sessions" search={{ tab: 'past' }} />}>
      All sessions
    </Anchor>
  );
}
