/** Goes to `next` (checked by safeNext) by a full load: everything asked for before the sign-in is forgotten, and the address of this page leaves the history. */
export function enter(next: string): void {
  window.location.replace(next);
}
