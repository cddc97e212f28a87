import { Alert, Button, Group, Modal, Progress, Radio, Stack, Text } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { ErrorState } from '../../parts/error-state.tsx';
import { FocusBack } from '../../parts/focus-back.tsx';
import { bytesWords, countWords } from '../../parts/time-words.ts';
import { printTime } from '../../parts/events/figures.ts';
import { log } from '../../parts/events/log-client.ts';
import { exportEvents, exportName, type ExportFormat, type ExportProgress, type ExportResult } from './export.ts';
import type { AuditRequest } from './filters.ts';

/** Limits of one file: a browser keeps it in memory until it is saved. `tessera audit search --format=json` knows none. */
const MOST_EVENTS = 250_000;
const MOST_BYTES = 400_000_000;
const PAGE = 1000;

type State =
  | { readonly step: 'choose' }
  | { readonly step: 'running'; readonly progress: ExportProgress }
  | { readonly step: 'done'; readonly result: ExportResult }
  | { readonly step: 'failed'; readonly error: unknown; readonly progress: ExportProgress };

/** Saves what the filters show, newest first, as JSON lines or CSV. Says how far it is, and when the file does not hold everything. */
export function ExportDialog(props: {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly request: AuditRequest | undefined;
  readonly cluster: string;
  /** How many there should be; 0 when that is not known. */
  readonly expected: number;
}): ReactNode {
  const [format, setFormat] = useState<ExportFormat>('jsonl');
  const { state, start, stop, reset } = useExport();
  const close = (): void => {
    stop();
    reset();
    props.onClose();
  };
  const name = exportName(props.cluster, props.request?.from ?? '', props.request?.to ?? '', format);
  return (
    <Modal
      opened={props.opened}
      onClose={close}
      title={<Text fw={600}>Export these events</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      <FocusBack />
      <Stack gap="md">
        <Radio.Group label="As" value={format} onChange={(value) => setFormat(value === 'csv' ? 'csv' : 'jsonl')}>
          <Stack gap="xs" mt={6}>
            <Radio
              value="jsonl"
              label="JSON lines"
              description="Every field, exactly as recorded; for programs"
              disabled={state.step === 'running'}
            />
            <Radio
              value="csv"
              label="CSV"
              description="For spreadsheets; what one could take for a formula has an apostrophe in front"
              disabled={state.step === 'running'}
            />
          </Stack>
        </Radio.Group>
        <Outcome state={state} expected={props.expected} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={state.step === 'running' ? stop : close}>
            {state.step === 'running' ? 'Stop' : 'Close'}
          </Button>
          <Button
            leftSection={<IconDownload size={16} aria-hidden />}
            loading={state.step === 'running'}
            disabled={props.request === undefined}
            onClick={() => (props.request === undefined ? undefined : void start(props.request, format, name))}
          >
            Export
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Outcome({ state, expected }: { readonly state: State; readonly expected: number }): ReactNode {
  if (state.step === 'running') {
    const { events, bytes } = state.progress;
    const share = expected === 0 ? 100 : Math.min(99, (events / Math.min(expected, MOST_EVENTS)) * 100);
    return (
      <Stack gap={6}>
        <Progress value={share} animated={expected === 0} aria-label="Progress of the export" />
        <Text size="sm" c="dimmed">
          {countWords(events)} events, {bytesWords(bytes)}
        </Text>
      </Stack>
    );
  }
  if (state.step === 'failed') {
    return (
      <Stack gap="xs">
        <ErrorState error={state.error} what="The export did not finish" />
        {state.progress.events > 0 && (
          <Text size="sm">The file holds the {countWords(state.progress.events)} events that came before.</Text>
        )}
      </Stack>
    );
  }
  if (state.step !== 'done') return null;
  const { events, bytes, cut, lastTime } = state.result;
  return (
    <Alert color={cut ? 'yellow' : 'green'} variant="light" role="status" title={cut ? 'Cut off' : 'Complete'}>
      {countWords(events)} events, {bytesWords(bytes)}.
      {cut &&
        ` There are older ones: the file ends at ${printTime(Date.parse(lastTime))}. Narrow the time, or use “tessera audit search --format=json”.`}
    </Alert>
  );
}

function useExport() {
  const [state, setState] = useState<State>({ step: 'choose' });
  const running = useRef<AbortController>(undefined);
  const stop = (): void => running.current?.abort();
  useEffect(() => () => running.current?.abort(), []);
  const start = async (request: AuditRequest, format: ExportFormat, name: string): Promise<void> => {
    const stopped = new AbortController();
    running.current = stopped;
    const parts: Blob[] = [];
    let progress: ExportProgress = { events: 0, bytes: 0 };
    setState({ step: 'running', progress });
    try {
      const result = await exportEvents(
        (cursor) => log.searchAudit({ ...request, cursor, limit: PAGE, descending: true }, { signal: stopped.signal }),
        // A Blob at a time: the browser may keep them outside of the page's memory.
        { write: async (text) => void parts.push(new Blob([text])) },
        {
          format,
          maxEvents: MOST_EVENTS,
          maxBytes: MOST_BYTES,
          signal: stopped.signal,
          onProgress: (now) => {
            progress = now;
            setState({ step: 'running', progress: now });
          },
        },
      );
      save(parts, name, format);
      setState({ step: 'done', result });
    } catch (error) {
      if (stopped.signal.aborted) return setState({ step: 'choose' });
      if (progress.events > 0) save(parts, name, format);
      setState({ step: 'failed', error, progress });
    }
  };
  return { state, start, stop, reset: () => setState({ step: 'choose' }) };
}

function save(parts: readonly Blob[], name: string, format: ExportFormat): void {
  const type = format === 'csv' ? 'text/csv' : 'application/jsonl';
  const url = URL.createObjectURL(new Blob([...parts], { type }));
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // The browser reads it after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
