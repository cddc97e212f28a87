import { Avatar, UnstyledButton, type UnstyledButtonProps } from '@mantine/core';
import type { ComponentPropsWithRef, ReactNode } from 'react';

type Props = UnstyledButtonProps &
  Omit<ComponentPropsWithRef<'button'>, keyof UnstyledButtonProps> & { readonly user: string };

/** The round button with the person's initials. */
export function PersonButton({ user, ...others }: Props): ReactNode {
  const initials = user.slice(0, 2).toUpperCase();
  return (
    <UnstyledButton
      {...others}
      aria-haspopup="menu"
      aria-label={`${initials}, ${user}: account and sign out`}
      style={{ borderRadius: '50%' }}
    >
      <Avatar color="tessera" radius="xl" size={34} aria-hidden>
        {initials}
      </Avatar>
    </UnstyledButton>
  );
}
