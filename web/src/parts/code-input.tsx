import { TextInput } from '@mantine/core';
import type { ReactNode, Ref } from 'react';

/** Digits of a one-time code in a text, six at most: people paste them with spaces. */
export function codeDigits(text: string): string {
  return text.replace(/\D/g, '').slice(0, 6);
}

/** Six digits. One field, so that screen readers, password managers and pasting work; the browser offers codes by itself. */
export function CodeInput(props: {
  readonly value: string;
  readonly onChange: (digits: string) => void;
  readonly label?: string;
  readonly description?: string;
  readonly error?: ReactNode;
  readonly autoFocus?: boolean;
  readonly disabled?: boolean;
  readonly ref?: Ref<HTMLInputElement>;
}): ReactNode {
  return (
    <TextInput
      ref={props.ref}
      label={props.label ?? 'One-time code'}
      description={props.description}
      placeholder="123 456"
      inputMode="numeric"
      autoComplete="one-time-code"
      value={props.value.replace(/^(\d{3})(?=\d)/, '$1 ')}
      onChange={(event) => props.onChange(codeDigits(event.currentTarget.value))}
      error={props.error}
      disabled={props.disabled ?? false}
      data-autofocus={props.autoFocus === true ? true : undefined}
      autoFocus={props.autoFocus ?? false}
      styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', letterSpacing: '0.12em' } }}
    />
  );
}
