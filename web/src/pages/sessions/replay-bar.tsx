import { ActionIcon, Card, Group, NativeSelect, Slider, Switch, Text } from '@mantine/core';
import {
  IconPlayerPauseFilled,
  IconPlayerPlayFilled,
  IconPlayerSkipBack,
  IconPlayerSkipForward,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { printMs } from '../../parts/events/figures.ts';
import { neighbour, offsetAt, SPEEDS } from './replay.ts';
import classes from './sessions.module.css';
import type { Entry } from './story.ts';
import type { Replay } from './use-replay.ts';

/** Play, pause, from statement to statement, speed, and a place in the session: by mouse and by keyboard. */
export function ReplayBar({
  replay,
  entries,
}: {
  readonly replay: Replay;
  readonly entries: readonly Entry[];
}): ReactNode {
  const { timeline, state } = replay;
  const offset = printMs(offsetAt(timeline, state.positionMs));
  const go = (positionMs: number): void => replay.set((old) => ({ ...old, positionMs }));
  return (
    <Card withBorder padding="sm" role="group" aria-label="Replay">
      <Group gap="sm" wrap="wrap">
        <Transport replay={replay} go={go} />
        <div style={{ flex: '1 1 14rem', minWidth: 160 }}>
          <Marks replay={replay} entries={entries} />
          <Slider
            value={state.positionMs}
            min={0}
            max={Math.max(1, timeline.lengthMs)}
            step={Math.max(1, timeline.lengthMs / 400)}
            size={4}
            label={(at) => printMs(offsetAt(timeline, at))}
            thumbLabel="Place in the session"
            onChange={go}
          />
        </div>
        <Text size="sm" c="dimmed" miw={92} ta="right" style={{ fontVariantNumeric: 'tabular-nums' }}>
          {offset}
        </Text>
        <NativeSelect
          aria-label="Speed"
          value={String(state.speed)}
          data={SPEEDS.map((speed) => ({ value: String(speed), label: `${speed}×` }))}
          onChange={(event) => {
            const speed = Number(event.currentTarget.value);
            replay.set((old) => ({ ...old, speed }));
          }}
          w={78}
        />
        <Switch
          label="Readable pace"
          checked={replay.readable}
          onChange={(event) => replay.pace(event.currentTarget.checked)}
        />
      </Group>
    </Card>
  );
}

function Transport({ replay, go }: { readonly replay: Replay; readonly go: (positionMs: number) => void }): ReactNode {
  const { timeline, state } = replay;
  const steps = [
    { direction: -1, label: 'Statement before (,)', icon: IconPlayerSkipBack },
    { direction: 1, label: 'Next statement (.)', icon: IconPlayerSkipForward },
  ] as const;
  const [before, next] = steps.map(({ direction, label, icon: Shape }) => (
    <ActionIcon
      key={label}
      variant="default"
      size={36}
      aria-label={label}
      title={label}
      onClick={() => go(neighbour(timeline, state.positionMs, direction))}
    >
      <Shape size={16} />
    </ActionIcon>
  ));
  const label = state.playing ? 'Pause (space)' : 'Play (space)';
  return (
    <Group gap={6} wrap="nowrap">
      {before}
      <ActionIcon variant="filled" size={36} aria-label={label} title={label} onClick={replay.playOrPause}>
        {state.playing ? <IconPlayerPauseFilled size={16} /> : <IconPlayerPlayFilled size={16} />}
      </ActionIcon>
      {next}
    </Group>
  );
}

/** Where statements are; failed ones in red. Drawn only: the slider is for the keyboard. */
function Marks({ replay, entries }: { readonly replay: Replay; readonly entries: readonly Entry[] }): ReactNode {
  const { moments, lengthMs } = replay.timeline;
  const asked = moments.filter(({ what }) => what === 'asked');
  // More lines than pixels say nothing.
  const every = Math.ceil(asked.length / MOST_MARKS);
  return (
    <svg className={classes['marks']} height={12} viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true">
      {asked.map(({ entry, atMs }, index) => {
        const failed = entries[entry]?.answer?.ok === false;
        if (index % every !== 0 && !failed) return null;
        const x = lengthMs === 0 ? 0 : (atMs / lengthMs) * 1000;
        return <line key={entry} data-failed={failed} x1={x} x2={x} y1={2} y2={11} strokeWidth={2} />;
      })}
    </svg>
  );
}

const MOST_MARKS = 400;
