import type { Clock, Timer } from '../../../telemetry/clock.ts';
import { printDuration, printTime } from '../../duration.ts';
import type { Io } from '../../io.ts';
import { tell, visible } from '../../io.ts';
import { truncate } from '../../table.ts';
import type { EndpointWatcher, Totals } from './endpoint.ts';

/**
 * The connections of a tunnel on stderr: a line for each that opens, closes or is refused; on a terminal also one line at the bottom that is kept up to date.
 * Close it.
 */
export class LiveView implements EndpointWatcher {
  readonly #io: Io;
  readonly #clock: Clock;
  readonly #sinceMs: number;
  readonly #totals: () => Totals;
  readonly #onTerminal: boolean;
  #timer: Timer | undefined;
  #shown = '';
  #paused = false;
  #closed = false;

  constructor(io: Io, clock: Clock, totals: () => Totals) {
    this.#io = io;
    this.#clock = clock;
    this.#sinceMs = clock.now();
    this.#totals = totals;
    this.#onTerminal = io.stderr.isTTY === true;
  }

  opened(id: number, from: string): void {
    this.line(`connection ${id} from ${from} opened`);
  }

  closed(id: number, of: { readonly durationMs: number; readonly received: number; readonly sent: number }): void {
    this.line(
      `connection ${id} closed after ${printDuration(of.durationMs)}: ${printBytes(of.received)} in, ${printBytes(of.sent)} out`,
    );
  }

  refused(id: number, why: string): void {
    this.line(`connection ${id} refused: ${why}`);
  }

  /** One line with its time, above the status. */
  line(text: string): void {
    this.#clear();
    tell(this.#io, `${printTime(this.#clock.now())} ${visible(text)}`);
    this.#draw();
  }

  /** Nothing but lines is written while `work` asks the person something. */
  async whileAsking(work: () => Promise<void>): Promise<void> {
    this.#clear();
    this.#paused = true;
    try {
      await work();
    } finally {
      this.#paused = false;
      this.#draw();
    }
  }

  /** Draws the status line for the first time. */
  start(): void {
    this.#draw();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#clear();
  }

  #draw(): void {
    if (!this.#onTerminal || this.#paused || this.#closed) return;
    const { open, accepted, received, sent } = this.#totals();
    const text = `${open} open, ${accepted} so far; ${printBytes(received)} in, ${printBytes(sent)} out; since ${printTime(this.#sinceMs)}`;
    if (text !== this.#shown) {
      const width = this.#io.stderr.columns ?? 80;
      this.#io.stderr.write(`\r\u001b[2K${truncate(text, width - 1)}`);
      this.#shown = text;
    }
    this.#timer?.cancel();
    this.#timer = this.#clock.after(REDRAW_MS, () => this.#draw());
  }

  #clear(): void {
    this.#timer?.cancel();
    if (this.#shown !== '') this.#io.stderr.write('\r\u001b[2K');
    this.#shown = '';
  }
}

/** `0 B`, `1023 B`, `1.5 KiB`, `12 MiB`. */
export function printBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 10 ? Math.floor(value) : Math.floor(value * 10) / 10} ${UNITS[unit]}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const REDRAW_MS = 1000;
