import { Group, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** The mark: four tiles of a mosaic, one of them set. Decorative. */
export function Mark({ size = 28 }: { readonly size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#166055" />
      <rect x="7" y="7" width="8" height="8" rx="2" fill="#fff" />
      <rect x="17" y="7" width="8" height="8" rx="2" fill="#fff" opacity=".55" />
      <rect x="7" y="17" width="8" height="8" rx="2" fill="#fff" opacity=".55" />
      <rect x="17" y="17" width="8" height="8" rx="2" fill="#f3c75a" />
    </svg>
  );
}

/** Mark and name. */
export function Brand(): ReactNode {
  return (
    <Group gap={10} wrap="nowrap">
      <Mark />
      <Text fw={600} fz="lg" style={{ letterSpacing: '-0.01em' }}>
        Tessera
      </Text>
    </Group>
  );
}
