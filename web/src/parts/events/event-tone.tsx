import {
  IconAlertTriangle,
  IconCertificate,
  IconCode,
  IconKey,
  IconLogin2,
  IconPlugConnected,
  IconServer2,
  IconSettings,
  IconUserShield,
  type Icon,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { AuditEvent } from './event.ts';
import { kindGroup, kindLabel } from './kinds.ts';

/** The kind of an event as a small icon; what was refused or failed has its own, in red. Told to screen readers by its label. */
export function EventTone({ event, size = 16 }: { readonly event: AuditEvent; readonly size?: number }): ReactNode {
  const { icon: Shape, color } = event.refused ? REFUSED : (TONES.get(kindGroup(event.event)) ?? OTHER);
  return (
    <Shape
      size={size}
      stroke={1.7}
      color={`var(--mantine-color-${color})`}
      role="img"
      aria-label={`${kindLabel(event.event)}${event.refused ? ', refused or failed' : ''}`}
    />
  );
}

type Tone = { readonly icon: Icon; readonly color: string };
const REFUSED: Tone = { icon: IconAlertTriangle, color: 'error' };
const OTHER: Tone = { icon: IconSettings, color: 'dimmed' };
const TONES: ReadonlyMap<string, Tone> = new Map([
  ['Sessions', { icon: IconPlugConnected, color: 'tessera-text' }],
  ['Statements', { icon: IconCode, color: 'dimmed' }],
  ['Database users', { icon: IconKey, color: 'orange-text' }],
  ['Sign-in', { icon: IconLogin2, color: 'blue-text' }],
  ['Refusals', REFUSED],
  ['Administration', { icon: IconUserShield, color: 'orange-text' }],
  ['Services', { icon: IconServer2, color: 'dimmed' }],
  ['Certificates', { icon: IconCertificate, color: 'dimmed' }],
]);
