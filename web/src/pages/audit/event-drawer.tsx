import { ActionIcon, Alert, Button, CopyButton, Drawer, Group, Stack, Text, Title } from '@mantine/core';
import { IconChevronDown, IconChevronUp, IconLink, IconPlayerPlay } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { JsonText } from '../../parts/code-text.tsx';
import { type AuditEvent, boundValues, statementOf } from '../../parts/events/event.ts';
import { EventSentence } from '../../parts/events/event-sentence.tsx';
import { EventTone } from '../../parts/events/event-tone.tsx';
import { FocusBack } from '../../parts/focus-back.tsx';
import { printTime } from '../../parts/events/figures.ts';
import { kindLabel } from '../../parts/events/kinds.ts';
import { CopyCorner, SqlBlock } from '../../parts/events/sql-block.tsx';
import { visibleJson } from '../../parts/events/visible.ts';
import { CounterpartPart } from './counterpart.tsx';
import { FactTable } from './fact-table.tsx';
import { factsOf } from './facts.ts';
import type { AuditFilters } from './filters.ts';

type Props = {
  readonly event: AuditEvent | undefined;
  readonly onClose: () => void;
  readonly onStep: (by: 1 | -1) => void;
  readonly onShow: (event: AuditEvent) => void;
  readonly onFilter: (filters: Partial<AuditFilters>) => void;
  /** An address that opens this event for somebody else. */
  readonly linkTo: (event: AuditEvent) => string;
};

/** One event: a sentence, the statement, what matters of it, what belongs to it, and all of it as JSON. */
export function EventDrawer(props: Props): ReactNode {
  const { event } = props;
  return (
    <Drawer
      opened={event !== undefined}
      onClose={props.onClose}
      position="right"
      size="lg"
      title={event === undefined ? '' : <Heading event={event} />}
      closeButtonProps={{ 'aria-label': 'Close' }}
      overlayProps={{ backgroundOpacity: 0.25 }}
      keepMounted={false}
      transitionProps={{ duration: 120 }}
      onKeyDown={(pressed) => {
        if (pressed.ctrlKey || pressed.metaKey || pressed.target instanceof HTMLInputElement) return;
        if (pressed.key === 'j') props.onStep(1);
        else if (pressed.key === 'k') props.onStep(-1);
      }}
    >
      <FocusBack />
      {event !== undefined && <Body {...props} event={event} />}
    </Drawer>
  );
}

function Heading({ event }: { readonly event: AuditEvent }): ReactNode {
  return (
    <Group gap="xs" wrap="nowrap">
      <EventTone event={event} size={20} />
      <Text fw={600}>{kindLabel(event.event)}</Text>
      <Text c="dimmed" size="sm" ff="monospace">
        {event.code}
      </Text>
    </Group>
  );
}

function Body(props: Props & { readonly event: AuditEvent }): ReactNode {
  const { event } = props;
  const statement = statementOf(event);
  const json = visibleJson(event.line);
  return (
    <Stack gap="md">
      <div>
        <Text component="p" m={0} style={{ overflowWrap: 'anywhere' }}>
          <EventSentence event={event} />.
        </Text>
        <Text size="sm" c="dimmed">
          {printTime(event.timeMs, 'milliseconds')} on your clock, {printTime(event.timeMs, 'milliseconds', 'UTC')} UTC
        </Text>
      </div>
      <Actions {...props} />
      {statement !== undefined && statement !== '' && <SqlBlock text={statement} values={boundValues(event)} />}
      {event.event === 'unreadable' && (
        <Alert color="yellow" title="This line is not an event">
          It is shown below as it stands in the log.
        </Alert>
      )}
      <CounterpartPart event={event} onShow={props.onShow} />
      <FactTable facts={factsOf(event)} event={event} onFilter={props.onFilter} />
      <section aria-label="The event as JSON">
        <Title order={2} size="h3" mb="xs">
          JSON
        </Title>
        <CopyCorner value={event.line} label="the JSON">
          <JsonText value={json} />
        </CopyCorner>
      </section>
    </Stack>
  );
}

function Actions(props: Props & { readonly event: AuditEvent }): ReactNode {
  const { event } = props;
  return (
    <Group gap="xs">
      {event.session !== '' && (
        <Button
          renderRoot={(root) => (
            <Link {...root} to="/sessions/$sid" params={{ sid: event.session }} search={{ at: String(event.index) }} />
          )}
          size="xs"
          variant="light"
          leftSection={<IconPlayerPlay size={14} aria-hidden />}
        >
          The whole session
        </Button>
      )}
      <CopyButton value={props.linkTo(event)}>
        {({ copied, copy }) => (
          <Button size="xs" variant="default" onClick={copy} leftSection={<IconLink size={14} aria-hidden />}>
            {copied ? 'Link copied' : 'Copy a link'}
          </Button>
        )}
      </CopyButton>
      <Group gap={4} ml="auto">
        <ActionIcon
          variant="default"
          aria-label="Newer event (k)"
          title="Newer event (k)"
          onClick={() => props.onStep(-1)}
        >
          <IconChevronUp size={16} />
        </ActionIcon>
        <ActionIcon
          variant="default"
          aria-label="Older event (j)"
          title="Older event (j)"
          onClick={() => props.onStep(1)}
        >
          <IconChevronDown size={16} />
        </ActionIcon>
      </Group>
    </Group>
  );
}
