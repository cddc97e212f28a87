import { Anchor, Button, Card, type AnchorProps, type ButtonProps, type CardProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { ComponentPropsWithRef, ReactNode } from 'react';

/** Mantine's looks on the router's links, with the router's types: `to`, `params` and `search` are checked. */

type AnchorElementProps = ComponentPropsWithRef<'a'>;
type With<Props> = Props & Omit<AnchorElementProps, keyof Props>;

/** A link in a text. */
export const AnchorLink = createLink((props: With<AnchorProps>): ReactNode => <Anchor {...props} />);

/** A link that looks like a button, because it is what one does next. */
export const ButtonLink = createLink((props: With<ButtonProps>): ReactNode => <Button component="a" {...props} />);

/** A card that leads somewhere as a whole. */
export const CardLink = createLink((props: With<CardProps>): ReactNode => <Card component="a" {...props} />);
