import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

/**
 * The look: verdigris on cool greys, system fonts. Shade 7 of every palette carries white text at a contrast of at least 4.5, shade 9 is text on shade 1 and shade 4 is text on the
 * dark scheme's surfaces, so that a badge, a button or a link is readable whichever of these colours it takes. Use only these palettes.
 */
const tessera: MantineColorsTuple = [
  '#edf8f6',
  '#d5efea',
  '#abdfd6',
  '#7ccbbd',
  '#4fb3a3',
  '#2f9a89',
  '#218373',
  '#1b7265',
  '#166055',
  '#0f463e',
];
const red: MantineColorsTuple = [
  '#fdf1f0',
  '#fbe0de',
  '#f5bdb9',
  '#ef9790',
  '#ee8a83',
  '#dd524a',
  '#cf3a33',
  '#b92d27',
  '#9a241f',
  '#741a16',
];
const green: MantineColorsTuple = [
  '#eef8ee',
  '#d9efd9',
  '#b2dfb3',
  '#86cb89',
  '#5fb765',
  '#43a24b',
  '#338b3b',
  '#27722f',
  '#1f5c26',
  '#16431b',
];
const yellow: MantineColorsTuple = [
  '#fff8e6',
  '#fdedc4',
  '#f9dc8f',
  '#f3c75a',
  '#eab233',
  '#d99a1b',
  '#b97d10',
  '#8f5f0a',
  '#744c08',
  '#573805',
];
const orange: MantineColorsTuple = [
  '#fff3ea',
  '#fde3cf',
  '#f9c6a0',
  '#f3a46d',
  '#ec8f54',
  '#df6c2a',
  '#c4571b',
  '#a04413',
  '#82370f',
  '#61280a',
];
const blue: MantineColorsTuple = [
  '#eef4fb',
  '#d9e7f6',
  '#b3cfed',
  '#89b4e2',
  '#7aa9dd',
  '#467fc6',
  '#3669ae',
  '#2c5792',
  '#234675',
  '#1a3456',
];
const gray: MantineColorsTuple = [
  '#f6f8f9',
  '#eef1f3',
  '#e3e8eb',
  '#d5dce0',
  '#bfc8ce',
  '#9aa6ae',
  '#5f6b74',
  '#4a555e',
  '#343d45',
  '#20272d',
];
const dark: MantineColorsTuple = [
  '#d7dde2',
  '#bcc5cd',
  '#9ba7b1',
  '#6c7984',
  '#3d4852',
  '#303a43',
  '#252d35',
  '#1b2229',
  '#141a1f',
  '#0e1216',
];

export const theme = createTheme({
  colors: { tessera, red, green, yellow, orange, blue, gray, dark },
  primaryColor: 'tessera',
  primaryShade: 7,
  black: '#1a2127',
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  focusRing: 'auto',
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  components: { InputWrapper: { defaultProps: { withAsterisk: false } } },
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: '1.5rem', lineHeight: '1.3' },
      h2: { fontSize: '1.15rem', lineHeight: '1.35' },
      h3: { fontSize: '1rem', lineHeight: '1.4' },
    },
  },
});

/** Where Mantine's own choices are too faint to read, and the two surfaces of ours: `--tessera-canvas` behind the cards, `--tessera-well` inside them. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-placeholder': 'var(--mantine-color-gray-6)',
    '--mantine-color-error': 'var(--mantine-color-red-7)',
    '--mantine-color-disabled-color': 'var(--mantine-color-gray-6)',
    '--mantine-color-default-border': 'var(--mantine-color-gray-3)',
    '--tessera-canvas': 'var(--mantine-color-gray-0)',
    '--tessera-well': 'var(--mantine-color-gray-0)',
  },
  dark: {
    '--mantine-color-placeholder': 'var(--mantine-color-dark-2)',
    '--mantine-color-error': 'var(--mantine-color-red-4)',
    '--mantine-color-disabled-color': 'var(--mantine-color-dark-2)',
    '--tessera-canvas': 'var(--mantine-color-dark-8)',
    '--tessera-well': 'var(--mantine-color-dark-8)',
    '--mantine-color-gray-light': 'var(--mantine-color-dark-4)',
    '--mantine-color-gray-light-hover': 'var(--mantine-color-dark-3)',
    ...lightOnDark(),
  },
});

// Mantine's tinted surfaces are nearly black on dark: shade 9 still carries shade 0 at a contrast above 7.
function lightOnDark(): Record<string, string> {
  const names = ['tessera', 'red', 'green', 'yellow', 'orange', 'blue'];
  return Object.fromEntries(
    names.flatMap((name) => [
      [`--mantine-color-${name}-light`, `var(--mantine-color-${name}-9)`],
      [`--mantine-color-${name}-light-hover`, `var(--mantine-color-${name}-8)`],
    ]),
  );
}
