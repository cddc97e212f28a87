import type { ReactNode } from 'react';
import classes from './events.module.css';
import { visibleParts } from './visible.ts';

/** A text from outside in one line or a block, with what can not be seen in it as small marks. Only ever text nodes. */
export function VisibleText({
  text,
  layout = 'line',
}: {
  readonly text: string;
  readonly layout?: 'line' | 'block';
}): ReactNode {
  return visibleParts(text, layout).map((part, index) =>
    part.kind === 'plain' ? (
      part.text
    ) : (
      <span key={index} className={classes['mark']} title={part.name}>
        {part.text}
      </span>
    ),
  );
}
