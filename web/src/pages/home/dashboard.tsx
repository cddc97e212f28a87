import { keepPreviousData } from '@tanstack/react-query';
import { useQuery } from '@connectrpc/connect-query';
import { SimpleGrid, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { may, type Session } from '../../api/session.ts';
import { bytesWords, countWords, durationWords } from '../../parts/time-words.ts';
import { useNow } from '../../parts/time.tsx';
import { Activity } from './activity.tsx';
import { figuresOf, lagOf, lastDay, type Span } from './figures.ts';
import { Machines } from './machines.tsx';
import { Tile } from './tile.tsx';
import { TopDatabases } from './top-databases.tsx';

const SESSIONS_EVERY_MS = 5000;
const STATUS_EVERY_MS = 20_000;

/** Tiles and lists of the last 24 hours; each only when the person's roles allow what it is made of. */
export function Dashboard({ session }: { readonly session: Session }): ReactNode {
  const readsAudit = may(session, 'event', 'list') && may(session, 'event', 'read');
  const seesMachines = may(session, 'db_server', 'list');
  const span = lastDay(useNow());
  return (
    <Stack gap="lg">
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="md">
        <LiveSessions ofAll={may(session, 'session', 'list')} />
        {readsAudit && <AuditTiles span={span} />}
        {seesMachines && <LagTile />}
      </SimpleGrid>
      {readsAudit && (
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Activity span={span} />
          <TopDatabases span={span} />
        </SimpleGrid>
      )}
      {seesMachines && <Machines version={session.version} />}
    </Stack>
  );
}

function LiveSessions({ ofAll }: { readonly ofAll: boolean }): ReactNode {
  const live = useQuery(AuthService.method.listSessions, {}, { refetchInterval: SESSIONS_EVERY_MS });
  const sessions = live.data?.sessions ?? [];
  const busy = sessions.filter((one) => !one.idle).length;
  return (
    <Tile
      label={ofAll ? 'Sessions now' : 'Your sessions now'}
      value={live.data === undefined ? undefined : countWords(sessions.length)}
      note={sessions.length === 0 ? 'nobody is connected' : `${busy} busy, ${sessions.length - busy} idle`}
      to="/sessions"
      failed={live.isError && live.data === undefined}
    />
  );
}

function AuditTiles({ span }: { readonly span: Span }): ReactNode {
  const count = useQuery(
    AuthService.method.countAudit,
    { filter: span, groupBy: 'code', top: 100 },
    { placeholderData: keepPreviousData },
  );
  const figures = count.data === undefined ? undefined : figuresOf(count.data.groups);
  const failed = count.isError && count.data === undefined;
  return (
    <>
      <Tile
        label="Sign-in failures"
        value={figures === undefined ? undefined : countWords(figures.signInsRefused)}
        note={figures === undefined ? '' : `${countWords(figures.signIns)} signed in, last 24 hours`}
        color={
          figures !== undefined && figures.signInsRefused > figures.signIns && figures.signInsRefused > 10
            ? 'red'
            : undefined
        }
        to="/audit"
        search={{ events: 'user.login', refused: '1' }}
        failed={failed}
      />
      <Tile
        label="Denied attempts"
        value={figures === undefined ? undefined : countWords(figures.sessionsRefused)}
        note={figures === undefined ? '' : `${countWords(figures.sessions)} sessions begun, last 24 hours`}
        to="/audit"
        search={{ events: 'db.session.start', refused: '1' }}
        failed={failed}
      />
    </>
  );
}

function LagTile(): ReactNode {
  const status = useQuery(AuthService.method.status, {}, { refetchInterval: STATUS_EVERY_MS });
  const lag = status.data === undefined ? undefined : lagOf(status.data.services);
  return (
    <Tile
      label="Audit lag"
      value={lag === undefined ? undefined : durationWords(lag.milliseconds)}
      note={
        lag === undefined
          ? ''
          : lag.backlogBytes === 0n
            ? 'everything is stored'
            : `${bytesWords(lag.backlogBytes)} on the way`
      }
      color={lag !== undefined && lag.milliseconds > 60_000 ? 'orange' : undefined}
      failed={status.isError && status.data === undefined}
    />
  );
}
