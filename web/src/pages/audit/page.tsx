import { ActionIcon, Button, Card, Group } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { IconDownload, IconListSearch, IconRefresh } from '@tabler/icons-react';
import { lazy, Suspense, useRef, useState, type ReactNode } from 'react';
import { useMay, useSession } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import type { AuditEvent } from '../../parts/events/event.ts';
import { KeyHelp } from '../../parts/key-help.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { ActivityChart } from './activity-chart.tsx';
import classes from './audit.module.css';
import { Events } from './events.tsx';
import { FilterBar } from './filter-bar.tsx';
import { filtersOf, searchOf, withSpan } from './filters.ts';
import { LiveSwitch } from './live-switch.tsx';
import { useView, type View } from './view.ts';

const EventDrawer = lazy(async () => ({ default: (await import('./event-drawer.tsx')).EventDrawer }));
const ExportDialog = lazy(async () => ({ default: (await import('./export-dialog.tsx')).ExportDialog }));

/** Every statement and every refusal: filtered by its address, drawn over time, endless, live when asked. */
export function Page(): ReactNode {
  return useMay()('event', 'list') ? <Log /> : <NotForYou />;
}

function NotForYou(): ReactNode {
  return (
    <>
      <PageHeader title="Audit log" />
      <Card withBorder>
        <EmptyState
          icon={IconListSearch}
          title="Your roles do not let you read the audit log"
          text="The role auditor does. Ask an administrator for it."
        />
      </Card>
    </>
  );
}

function Log(): ReactNode {
  const view = useView();
  const { filters, setFilters, found, following } = view;
  const [help, setHelp] = useState(false);
  const [exporting, setExporting] = useState(false);
  const words = useRef<HTMLInputElement>(null);
  useHotkeys([
    ['/', () => words.current?.focus()],
    ['shift+?', () => setHelp(true)],
    ['r', view.refresh],
    ['l', () => (view.whyNotLive === '' ? view.setLive(!view.live) : undefined)],
    ['p', () => (view.live ? following.act({ type: following.tail.paused ? 'resume' : 'pause' }) : undefined)],
  ]);
  return (
    <div className={classes['page']}>
      <PageHeader
        title="Audit log"
        description="Every session, statement, refusal and change"
        actions={<Actions view={view} help={help} onHelp={setHelp} onExport={() => setExporting(true)} />}
      />
      <FilterBar filters={filters} onChange={setFilters} searchRef={words} />
      <Card withBorder padding="sm" style={{ flex: 'none' }}>
        <ActivityChart
          {...view.activity}
          isPending={view.activity.isPending && found.isPending}
          onSpan={(fromMs, toMs) => setFilters(withSpan(filters, fromMs, toMs))}
        />
      </Card>
      <Events view={view} />
      <Overlays view={view} exporting={exporting} onExported={() => setExporting(false)} />
    </div>
  );
}

function Actions(props: {
  readonly view: View;
  readonly help: boolean;
  readonly onHelp: (opened: boolean) => void;
  readonly onExport: () => void;
}): ReactNode {
  const { view } = props;
  return (
    <Group gap="xs">
      <LiveSwitch on={view.live} why={view.whyNotLive} following={view.following} onChange={view.setLive} />
      <ActionIcon
        variant="default"
        size={36}
        onClick={view.refresh}
        loading={view.found.isOld}
        aria-label="Refresh"
        title="Refresh (r)"
      >
        <IconRefresh size={18} stroke={1.6} />
      </ActionIcon>
      <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />} onClick={props.onExport}>
        Export
      </Button>
      <KeyHelp shortcuts={SHORTCUTS} opened={props.help} onChange={props.onHelp} />
    </Group>
  );
}

/** What opens over the page; loaded when it is first needed. */
function Overlays(props: {
  readonly view: View;
  readonly exporting: boolean;
  readonly onExported: () => void;
}): ReactNode {
  const { view } = props;
  const { clusterName } = useSession();
  return (
    <Suspense>
      {view.wasOpened && (
        <EventDrawer
          event={view.opened}
          onClose={view.close}
          onStep={view.step}
          onShow={view.open}
          onFilter={(more) => {
            view.close();
            view.setFilters({ ...view.filters, ...more });
          }}
          linkTo={linkTo}
        />
      )}
      {props.exporting && (
        <ExportDialog
          opened
          onClose={props.onExported}
          request={view.request}
          cluster={clusterName}
          expected={view.activity.total}
        />
      )}
    </Suspense>
  );
}

const SHORTCUTS = [
  { keys: ['/'], what: 'search words' },
  { keys: ['j', '↓'], what: 'older event' },
  { keys: ['k', '↑'], what: 'newer event' },
  { keys: ['Home', 'End'], what: 'newest, oldest loaded' },
  { keys: ['Enter'], what: 'open the event' },
  { keys: ['Esc'], what: 'close it' },
  { keys: ['l'], what: 'live on and off' },
  { keys: ['p'], what: 'pause the live view' },
  { keys: ['r'], what: 'refresh' },
  { keys: ['Tab', '←', '→'], what: 'in the chart: move an edge of the span, Enter shows it' },
  { keys: ['?'], what: 'these keys' },
] as const;

/** Opens exactly this event: a span around it, and its id. */
function linkTo(event: AuditEvent): string {
  const span = withSpan(filtersOf({}), event.timeMs, event.timeMs + 1);
  const search = new URLSearchParams({ ...searchOf(span), open: event.uid });
  return `${window.location.origin}/web/audit?${search.toString()}`;
}
