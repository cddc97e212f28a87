import '@mantine/notifications/styles.css';
import { Notifications } from '@mantine/notifications';
import type { ReactNode } from 'react';

/** Short words about what was just done. Failures that need reading stand on the page instead. */
export function ToastList(): ReactNode {
  return <Notifications position="bottom-right" limit={4} autoClose={6000} />;
}
