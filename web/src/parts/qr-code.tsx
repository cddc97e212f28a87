import { encode } from 'uqr';
import { useMemo, type ReactNode } from 'react';

/** A QR code as drawn squares, dark on white in both schemes: cameras want it so. `label` says what it holds; the text itself must stand beside it for those who can not scan. */
export function QrCode(props: { readonly text: string; readonly label: string; readonly size?: number }): ReactNode {
  const { path, size } = useMemo(() => draw(props.text), [props.text]);
  const pixels = props.size ?? 184;
  return (
    <svg
      role="img"
      aria-label={props.label}
      width={pixels}
      height={pixels}
      viewBox={`0 0 ${size} ${size}`}
      shapeRendering="crispEdges"
      style={{ borderRadius: 'var(--mantine-radius-md)', display: 'block' }}
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#10181d" />
    </svg>
  );
}

function draw(text: string): { readonly path: string; readonly size: number } {
  const { data, size } = encode(text, { ecc: 'M', border: 3 });
  const path = data.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : ''))).join('');
  return { path, size };
}
