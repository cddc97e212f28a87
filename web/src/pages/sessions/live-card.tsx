import { Badge, Box, Button, Card, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { LiveSession } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay, useSession } from '../../api/session.ts';
import { visible } from '../../parts/events/visible.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { Time } from '../../parts/time.tsx';
import { bytesWords, countWords } from '../../parts/time-words.ts';
import { rateWords, sparkline } from './rates.ts';
import classes from './sessions.module.css';

const WIDTH = 132;
const HEIGHT = 28;

/** One session that goes on: who, where, how busy, what runs now. */
export function LiveCard(props: {
  readonly session: LiveSession;
  readonly rates: readonly number[];
  readonly onEnd: () => void;
}): ReactNode {
  const { session } = props;
  const me = useSession();
  const may = useMay();
  const own = session.user === me.user;
  return (
    <Card
      withBorder
      padding="sm"
      component="article"
      className={classes['box'] ?? ''}
      aria-label={`${visible(session.user)} on ${visible(session.databaseService)}`}
    >
      <div className={classes['card']}>
        <Who session={session} own={own} linked={may('event', 'list')} />
        <Where session={session} />
        <Rate session={session} rates={props.rates} />
        {(own || may('lock', 'create')) && (
          <Button variant="light" color="red" size="xs" onClick={props.onEnd}>
            Terminate
          </Button>
        )}
        <Now session={session} />
      </div>
    </Card>
  );
}

function Who(props: { readonly session: LiveSession; readonly own: boolean; readonly linked: boolean }): ReactNode {
  const { session } = props;
  const name = <VisibleText text={session.user} />;
  return (
    <Box miw={0}>
      <Group gap={6}>
        <Text fw={600} truncate>
          {props.linked ? (
            <Link
              to="/sessions/$sid"
              params={{ sid: session.sessionId }}
              style={{ color: 'var(--mantine-color-anchor)', textDecoration: 'none' }}
            >
              {name}
            </Link>
          ) : (
            name
          )}
        </Text>
        {props.own && (
          <Badge size="sm" variant="light" tt="none">
            you
          </Badge>
        )}
      </Group>
      <Text size="xs" c="dimmed" truncate title={visible(`${session.clientAddress} ${session.clientProgram}`)}>
        <VisibleText text={[session.clientAddress, session.clientProgram].filter((text) => text !== '').join(', ')} />
      </Text>
    </Box>
  );
}

function Where({ session }: { readonly session: LiveSession }): ReactNode {
  return (
    <Box miw={0}>
      <Text truncate>
        <VisibleText text={session.databaseService} />
      </Text>
      <Text size="xs" c="dimmed" truncate>
        {session.databaseUser !== '' && (
          <>
            as <VisibleText text={session.databaseUser} />
          </>
        )}
        {session.databaseName !== '' && (
          <>
            {', '}
            <VisibleText text={session.databaseName} />
          </>
        )}
      </Text>
    </Box>
  );
}

function Rate({ session, rates }: { readonly session: LiveSession; readonly rates: readonly number[] }): ReactNode {
  const words = rateWords(session.statementsPerSecond);
  return (
    <Box>
      <svg
        className={classes['spark']}
        width={WIDTH}
        height={HEIGHT}
        role="img"
        aria-label={`${words} statements, ${bytesWords(session.bytesPerSecond)} a second`}
      >
        <line x1={0} x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        <polyline points={sparkline(rates, WIDTH, HEIGHT)} />
      </svg>
      <Text size="xs" c="dimmed" style={{ fontVariantNumeric: 'tabular-nums' }} aria-hidden>
        {words}, {bytesWords(session.bytesPerSecond)}/s
      </Text>
    </Box>
  );
}

function Now({ session }: { readonly session: LiveSession }): ReactNode {
  const received = bytesWords(session.bytesFromDatabase);
  return (
    <Box miw={0} className={classes['wide'] ?? ''}>
      {session.idle ? (
        <Text size="sm" c="dimmed">
          idle <Time value={session.since} />
        </Text>
      ) : (
        <div className={classes['statement']} title={visible(session.currentStatement)}>
          <VisibleText text={session.currentStatement || 'a statement is running'} />
        </div>
      )}
      <Text size="xs" c="dimmed">
        {countWords(session.statements)} {session.statements === 1n ? 'statement' : 'statements'}, {received} received,
        began <Time value={session.started} />
      </Text>
    </Box>
  );
}
