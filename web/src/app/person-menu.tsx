import { lazy, Suspense, useState, type ReactNode } from 'react';
import type { Session } from '../api/session.ts';
import { PersonButton } from './person-button.tsx';

const load = async () => ({ default: (await import('./person-menu-list.tsx')).PersonMenuList });
const List = lazy(load);

/** Who is signed in, and what they can do about themselves. The menu's code comes when the pointer or the focus is near, so that a first view does without. */
export function PersonMenu({ session }: { readonly session: Session }): ReactNode {
  const [wanted, setWanted] = useState(false);
  const near = (): void => void load();
  const closed = (
    <PersonButton user={session.user} onClick={() => setWanted(true)} onPointerEnter={near} onFocus={near} />
  );
  return wanted ? (
    <Suspense fallback={closed}>
      <List session={session} />
    </Suspense>
  ) : (
    closed
  );
}
