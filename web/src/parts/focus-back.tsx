import { useEffect, useState, type ReactNode } from 'react';

/**
 * Inside of a drawer or dialog that is on the page only while it is open: gives the focus back to where it was before. Mantine does that by itself for those that stay on the page while
 * they are closed.
 */
export function FocusBack(): ReactNode {
  const [before] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      const lost = document.activeElement === null || document.activeElement === document.body;
      if (lost && before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    },
    [before],
  );
  return null;
}
