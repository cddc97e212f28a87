/**
 * Whether somebody is at this page. Pages ask the server again and again by themselves; if those calls counted as signs of life, a session would never be idle while a page is
 * open somewhere. So calls say when nobody touched the page, and the server's idle time (`web_idle_timeout`) goes by what people do.
 */
export class Touches {
  readonly #now: () => number;
  #lastMs: number;

  /** Listens on `target` (the window) for as long as the page lives; opening the page is a touch. `now` in milliseconds. */
  constructor(target: EventTarget, now: () => number) {
    this.#now = now;
    this.#lastMs = now();
    for (const type of SIGNS) target.addEventListener(type, this.#touch, { capture: true, passive: true });
  }

  /** Nobody touched the page for a minute: what it asks now it asks by itself. */
  get isUnattended(): boolean {
    return this.#now() - this.#lastMs > ATTENDED_MS;
  }

  readonly #touch = (event: Event): void => {
    // A script's events are nobody's.
    if (event.isTrusted) this.#lastMs = this.#now();
  };
}

const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const;
/** Longer than pages wait between two questions of their own, so that one of them tells of the last touch. */
const ATTENDED_MS = 60_000;
