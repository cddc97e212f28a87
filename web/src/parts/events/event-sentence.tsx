import type { ReactNode } from 'react';
import type { AuditEvent } from './event.ts';
import classes from './events.module.css';
import { sentenceOf } from './sentence.ts';
import { VisibleText } from './visible-text.tsx';

/** What happened, in a sentence; people and databases stand out, reasons of refusals are red. */
export function EventSentence({ event }: { readonly event: AuditEvent }): ReactNode {
  return sentenceOf(event).map((part, index) =>
    part.kind === 'words' ? (
      part.text
    ) : (
      <span
        key={index}
        className={part.kind === 'value' ? undefined : classes[part.kind === 'problem' ? 'problem' : 'who']}
      >
        <VisibleText text={part.text} />
      </span>
    ),
  );
}
