import { Badge, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Item } from '../../parts/resources/item.ts';
import { Time, useNow } from '../../parts/time.tsx';
import { locksOfUser } from '../locks/lock.ts';
import { lockoutOf } from './user.ts';

/** Locked by somebody, locked by itself after wrong passwords, ending, or nothing. */
export function UserState({ user, locks }: { readonly user: Item; readonly locks: readonly Item[] }): ReactNode {
  const nowMs = useNow();
  if (locksOfUser(locks, user.name, nowMs).length > 0)
    return (
      <Badge variant="light" color="red" tt="none" leftSection={<IconLock size={12} aria-hidden />}>
        locked
      </Badge>
    );
  if (lockoutOf(user, nowMs) !== undefined)
    return (
      <Badge variant="light" color="yellow" tt="none" title="After wrong passwords or codes">
        locked out
      </Badge>
    );
  // Nothing is said of others: whether somebody has taken their invitation up is not in their record.
  if (user.expires === '') return null;
  return (
    <Text size="sm" span>
      until <Time value={user.expires} />
    </Text>
  );
}
