import { Box, Button, Center, Group, Skeleton, Table, Text } from '@mantine/core';
import { useDisclosure, useElementSize } from '@mantine/hooks';
import { useEffect, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import { printTime } from '../../parts/events/figures.ts';
import { countWords } from '../../parts/time-words.ts';
import classes from './audit.module.css';
import { type Bar, type Brush, brushOf, brushSpan, heightsOf, moveEdge, ticksOf, topOf } from './chart.ts';

const HEIGHT = 84;
const AXIS = 20;

/**
 * How much happened when, with what was refused in red. A span is chosen with the mouse (drag), or with the keyboard: Tab to an edge, arrows, Enter. The same figures can be shown as a
 * table.
 */
export function ActivityChart(props: {
  readonly bars: readonly Bar[];
  readonly total: number;
  readonly isPending: boolean;
  readonly error: unknown;
  readonly onSpan: (fromMs: number, toMs: number) => void;
}): ReactNode {
  const [table, { toggle }] = useDisclosure();
  const { bars, total } = props;
  const refused = bars.reduce((sum, bar) => sum + bar.refused, 0);
  return (
    <Box>
      <Group justify="space-between" mb={4} gap="sm">
        <Text size="xs" c="dimmed" aria-live="polite">
          {props.isPending
            ? 'Counting…'
            : bars.length === 0
              ? ''
              : `${countWords(total)} ${total === 1 ? 'event' : 'events'}, ${countWords(refused)} refused or failed`}
        </Text>
        <Group gap="md">
          <Legend color="tessera-5" text="all" />
          <Legend color="red-6" text="refused or failed" />
          <Button variant="subtle" size="compact-xs" onClick={toggle} aria-pressed={table} disabled={bars.length === 0}>
            {table ? 'Show the chart' : 'Show as a table'}
          </Button>
        </Group>
      </Group>
      {bars.length === 0 ? (
        <NoFigures isPending={props.isPending} failed={props.error !== null} />
      ) : table ? (
        <Figures bars={bars} onSpan={props.onSpan} />
      ) : (
        <Chart bars={bars} onSpan={props.onSpan} />
      )}
    </Box>
  );
}

/** Of the chart's own height, so that nothing moves. */
function NoFigures({ isPending, failed }: { readonly isPending: boolean; readonly failed: boolean }): ReactNode {
  if (isPending) return <Skeleton height={HEIGHT + AXIS} />;
  return (
    <Center h={HEIGHT + AXIS}>
      <Text size="sm" c="dimmed">
        {failed ? 'The events could not be counted.' : 'Nothing to count.'}
      </Text>
    </Center>
  );
}

type ChartProps = { readonly bars: readonly Bar[]; readonly onSpan: (fromMs: number, toMs: number) => void };

function Chart({ bars, onSpan }: ChartProps): ReactNode {
  const { ref, width } = useElementSize();
  const [brush, setBrush] = useState<Brush>();
  const [began, setBegan] = useState<number>();
  useEffect(() => setBrush(undefined), [bars]);
  const apply = (chosen: Brush): void => {
    setBrush(undefined);
    const { fromMs, toMs } = brushSpan(chosen, bars);
    onSpan(fromMs, toMs);
  };
  const fractionOf = (event: PointerEvent<HTMLElement>): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return box.width === 0 ? 0 : (event.clientX - box.left) / box.width;
  };
  return (
    <Box
      ref={ref}
      className={classes['chart']}
      role="group"
      aria-label="Activity over time"
      onPointerDown={(event) => {
        if (event.button !== 0 || event.target instanceof HTMLButtonElement) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setBegan(fractionOf(event));
        setBrush(brushOf(fractionOf(event), fractionOf(event), bars.length));
      }}
      onPointerMove={(event) => {
        if (began !== undefined) setBrush(brushOf(began, fractionOf(event), bars.length));
      }}
      onPointerUp={() => {
        setBegan(undefined);
        if (began !== undefined && brush !== undefined) apply(brush);
      }}
      onPointerCancel={() => {
        setBegan(undefined);
        setBrush(undefined);
      }}
    >
      <Drawing bars={bars} brush={brush} width={width} />
      <Edges bars={bars} brush={brush} onBrush={setBrush} onApply={apply} />
    </Box>
  );
}

function Drawing(props: {
  readonly bars: readonly Bar[];
  readonly brush: Brush | undefined;
  readonly width: number;
}): ReactNode {
  const { bars, brush } = props;
  const width = Math.max(props.width, 1);
  const top = topOf(bars);
  const step = width / bars.length;
  const [fromMs, toMs] = [bars[0]?.fromMs ?? 0, bars.at(-1)?.toMs ?? 0];
  const left = (ms: number): number => ((ms - fromMs) / (toMs - fromMs)) * width;
  return (
    <svg height={HEIGHT + AXIS} viewBox={`0 0 ${width} ${HEIGHT + AXIS}`} aria-hidden="true" focusable="false">
      <line className={classes['axis']} x1={0} x2={width} y1={HEIGHT + 0.5} y2={HEIGHT + 0.5} />
      {bars.map((bar, index) => (
        <BarShape key={bar.fromMs} bar={bar} x={index * step} width={step} top={top} />
      ))}
      {ticksOf(fromMs, toMs, Math.max(2, Math.floor(width / 90))).map(({ ms, label }) => (
        <g key={ms}>
          <line className={classes['axis']} x1={left(ms)} x2={left(ms)} y1={HEIGHT} y2={HEIGHT + 4} />
          <text
            className={classes['tick']}
            x={Math.min(width - 2, Math.max(2, left(ms)))}
            y={HEIGHT + 16}
            textAnchor={left(ms) < 24 ? 'start' : left(ms) > width - 24 ? 'end' : 'middle'}
          >
            {label}
          </text>
        </g>
      ))}
      {brush !== undefined && (
        <rect
          className={classes['brush']}
          x={brush.from * step}
          width={(brush.to - brush.from) * step}
          y={0}
          height={HEIGHT}
        />
      )}
    </svg>
  );
}

function BarShape(props: {
  readonly bar: Bar;
  readonly x: number;
  readonly width: number;
  readonly top: number;
}): ReactNode {
  const { bar, x, width, top } = props;
  const { all: full, refused: bad } = heightsOf(bar, top, HEIGHT - 4);
  const gap = width > 4 ? 1 : 0;
  return (
    <g>
      <title>{barWords(bar)}</title>
      <rect x={x} width={width} y={0} height={HEIGHT} fill="transparent" />
      <rect
        className={classes['bar']}
        x={x + gap / 2}
        width={Math.max(1, width - gap)}
        y={HEIGHT - full}
        height={full}
      />
      <rect
        className={classes['refused']}
        x={x + gap / 2}
        width={Math.max(1, width - gap)}
        y={HEIGHT - bad}
        height={bad}
      />
    </g>
  );
}

/** The two ends of the span for the keyboard: sliders whose value is a time. */
function Edges(props: {
  readonly bars: readonly Bar[];
  readonly brush: Brush | undefined;
  readonly onBrush: (brush: Brush | undefined) => void;
  readonly onApply: (brush: Brush) => void;
}): ReactNode {
  const { bars, onBrush, onApply } = props;
  const brush = props.brush ?? { from: 0, to: bars.length };
  const onKey = (edge: 'from' | 'to') => (event: KeyboardEvent) => {
    const by = KEYS.get(event.key);
    if (by !== undefined) onBrush(moveEdge(brush, edge, by * (Math.abs(by) > 10 ? bars.length : 1), bars.length));
    else if (event.key === 'Enter') onApply(brush);
    else if (event.key === 'Escape' && props.brush !== undefined) onBrush(undefined);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (['from', 'to'] as const).map((edge) => {
    const at = brush[edge];
    const ms = edge === 'from' ? bars[at]?.fromMs : bars[at - 1]?.toMs;
    return (
      <div
        key={edge}
        role="slider"
        tabIndex={0}
        className={classes['edge']}
        style={{ left: `${(at / bars.length) * 100}%`, height: HEIGHT }}
        aria-label={`${edge === 'from' ? 'Start' : 'End'} of the span; arrows move it, Enter shows it`}
        aria-valuemin={0}
        aria-valuemax={bars.length}
        aria-valuenow={at}
        aria-valuetext={printTime(ms ?? 0)}
        onKeyDown={onKey(edge)}
      />
    );
  });
}

const KEYS: ReadonlyMap<string, number> = new Map([
  ['ArrowLeft', -1],
  ['ArrowDown', -1],
  ['ArrowRight', 1],
  ['ArrowUp', 1],
  ['PageDown', -6],
  ['PageUp', 6],
  ['Home', -1000],
  ['End', 1000],
]);

function Figures({ bars, onSpan }: ChartProps): ReactNode {
  const filled = bars.filter(({ count }) => count > 0);
  return (
    <Table.ScrollContainer
      minWidth={320}
      maxHeight={HEIGHT + AXIS}
      scrollAreaProps={{ viewportProps: { tabIndex: 0, role: 'group', 'aria-label': 'Figures of the chart' } }}
    >
      <Table withRowBorders={false} verticalSpacing={2} stickyHeader fz="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>From</Table.Th>
            <Table.Th>To</Table.Th>
            <Table.Th>Events</Table.Th>
            <Table.Th>Refused or failed</Table.Th>
            <Table.Th>
              <span className="visually-hidden">Show</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {filled.map((bar) => (
            <Table.Tr key={bar.fromMs}>
              <Table.Td>{printTime(bar.fromMs)}</Table.Td>
              <Table.Td>{printTime(bar.toMs)}</Table.Td>
              <Table.Td>{countWords(bar.count)}</Table.Td>
              <Table.Td>{countWords(bar.refused)}</Table.Td>
              <Table.Td>
                <Button variant="subtle" size="compact-xs" onClick={() => onSpan(bar.fromMs, bar.toMs)}>
                  Show
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Legend({ color, text }: { readonly color: string; readonly text: string }): ReactNode {
  return (
    <Group gap={6} visibleFrom="sm">
      <Box w={10} h={10} bg={`var(--mantine-color-${color})`} style={{ borderRadius: 3 }} aria-hidden />
      <Text size="xs" c="dimmed">
        {text}
      </Text>
    </Group>
  );
}

function barWords(bar: Bar): string {
  return `${printTime(bar.fromMs)} to ${printTime(bar.toMs)}: ${countWords(bar.count)} events, ${countWords(bar.refused)} refused or failed`;
}
