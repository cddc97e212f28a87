import { useEffect, useMemo, useRef, useState } from 'react';
import { advance, type Playing, samePlace, shownAt, timelineOf, toggle, type Shown, type Timeline } from './replay.ts';
import type { Entry } from './story.ts';

export type Replay = {
  readonly timeline: Timeline;
  readonly state: Playing;
  readonly readable: boolean;
  /** Of each entry; everything is over while no replay goes on. */
  readonly shown: readonly Shown[] | undefined;
  /** The entry that appeared last; -1 before the first. */
  readonly last: number;
  readonly set: (change: (state: Playing) => Playing) => void;
  readonly playOrPause: () => void;
  readonly pace: (readable: boolean) => void;
};

/** A replay of a session's entries. It rests at the end, where everything is to be seen, until somebody plays it. */
export function useReplay(entries: readonly Entry[]): Replay {
  const [readable, setReadable] = useState(true);
  const timelines = useMemo(() => {
    const timed = entries.map(({ offsetMs, answer }) => ({ offsetMs, durationMs: answer?.durationMs }));
    return { short: timelineOf(timed, { readable: true }), whole: timelineOf(timed, { readable: false }) };
  }, [entries]);
  const timeline = readable ? timelines.short : timelines.whole;
  const [state, set] = useState<Playing>({ positionMs: Number.POSITIVE_INFINITY, playing: false, speed: 1 });
  usePlaying(state.playing, timeline.lengthMs, set);
  const isAtEnd = state.positionMs >= timeline.lengthMs;
  const now = useMemo(
    () => (isAtEnd ? undefined : shownAt(timeline, entries.length, state.positionMs)),
    [timeline, entries.length, state.positionMs, isAtEnd],
  );
  return {
    timeline,
    state: { ...state, positionMs: Math.min(state.positionMs, timeline.lengthMs) },
    readable,
    shown: now?.shown,
    last: now?.last ?? entries.length - 1,
    set,
    playOrPause: () => set((old) => toggle(old, timeline.lengthMs)),
    pace: (next) => {
      const to = next ? timelines.short : timelines.whole;
      set((old) => ({ ...old, positionMs: samePlace(timeline, to, Math.min(old.positionMs, timeline.lengthMs)) }));
      setReadable(next);
    },
  };
}

/** Moves the position with the browser's own frames, at most thirty times a second. */
function usePlaying(playing: boolean, lengthMs: number, set: (change: (state: Playing) => Playing) => void): void {
  const last = useRef(0);
  useEffect(() => {
    if (!playing) return undefined;
    last.current = performance.now();
    let frame = requestAnimationFrame(function step(now) {
      const elapsed = now - last.current;
      if (elapsed >= FRAME_MS) {
        last.current = now;
        // A tab in the background has no frames: it goes on where it was.
        set((state) => advance(state, Math.min(elapsed, LONGEST_FRAME_MS), lengthMs));
      }
      frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [playing, lengthMs, set]);
}

const FRAME_MS = 33;
const LONGEST_FRAME_MS = 500;
