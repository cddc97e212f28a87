import { useNotifications } from '@mantine/notifications';
import { lazy, Suspense, useState, type ReactNode } from 'react';

const List = lazy(async () => ({ default: (await import('./toast-list.tsx')).ToastList }));

/** Where `notifications.show` appears. Its code is loaded with the first one, so that a first view does not pay for it; from then on it stays, as it animates what leaves. */
export function Toasts(): ReactNode {
  const { notifications, queue } = useNotifications();
  const [wanted, setWanted] = useState(false);
  if (!wanted && notifications.length + queue.length > 0) setWanted(true);
  return wanted ? (
    <Suspense>
      <List />
    </Suspense>
  ) : null;
}
