/** Lets everything else on the event loop have its turn; long synchronous work calls it between slices of a few milliseconds. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
