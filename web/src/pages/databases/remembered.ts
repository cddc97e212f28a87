import { useState } from 'react';

/** How the list is shown. */
export type Look = 'cards' | 'table';

const KEY = 'tessera-databases-look';

/** The look that this browser's reader chose last; cards at first. Storage may be forbidden: then it lasts as long as the page. */
export function useLook(): readonly [Look, (look: Look) => void] {
  const [look, setLook] = useState<Look>(read);
  return [
    look,
    (next) => {
      setLook(next);
      try {
        window.localStorage.setItem(KEY, next);
      } catch {
        // It is remembered for this page only.
      }
    },
  ];
}

function read(): Look {
  try {
    return window.localStorage.getItem(KEY) === 'table' ? 'table' : 'cards';
  } catch {
    return 'cards';
  }
}
