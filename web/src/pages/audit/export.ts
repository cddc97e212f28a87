import { parseEvent } from '../../parts/events/event.ts';
import { csvHeader, csvLine } from './csv.ts';

export type ExportFormat = 'jsonl' | 'csv';

/** One page of the log, as SearchAudit gives it. */
export type Page = { readonly events: readonly string[]; readonly nextCursor: string };

/** Where the file goes as it grows. */
export type Sink = { write(text: string): Promise<void> };

export type ExportProgress = { readonly events: number; readonly bytes: number };

/** `cut`: there was more than `maxEvents` or `maxBytes`; `lastTime` is the time of the last event that is in the file. */
export type ExportResult = ExportProgress & { readonly cut: boolean; readonly lastTime: string };

/**
 * Writes every event of a search to the sink, page by page, so that no more than a page is held. Ends with the last page, at a limit (and says so), or by the signal's reason. Errors of
 * `search` and `sink` pass through; what was written until then stays written.
 */
export async function exportEvents(
  search: (cursor: string) => Promise<Page>,
  sink: Sink,
  options: {
    readonly format: ExportFormat;
    readonly maxEvents: number;
    /** Of the file, in UTF-16 units as an estimate of bytes. */
    readonly maxBytes: number;
    readonly signal: AbortSignal;
    readonly onProgress: (progress: ExportProgress) => void;
  },
): Promise<ExportResult> {
  const written = { events: 0, bytes: 0, lastTime: '' };
  const write = async (text: string): Promise<void> => {
    await sink.write(text);
    written.bytes += text.length;
  };
  if (options.format === 'csv') await write(csvHeader());
  let cursor = '';
  for (;;) {
    options.signal.throwIfAborted();
    const page = await search(cursor);
    options.signal.throwIfAborted();
    const lines = page.events.slice(0, options.maxEvents - written.events);
    const events = lines.map(parseEvent);
    const text = options.format === 'csv' ? events.map(csvLine) : lines.map((line) => `${line}\n`);
    if (text.length > 0) await write(text.join(''));
    written.events += lines.length;
    written.lastTime = events.at(-1)?.time ?? written.lastTime;
    options.onProgress({ events: written.events, bytes: written.bytes });
    const rest = lines.length < page.events.length || page.nextCursor !== '';
    if (!rest || page.nextCursor === cursor) return { ...written, cut: lines.length < page.events.length };
    if (written.events >= options.maxEvents || written.bytes >= options.maxBytes) return { ...written, cut: true };
    cursor = page.nextCursor;
  }
}

/** `tessera-audit_2026-03-01_2026-03-02.csv`: letters that every file system takes. */
export function exportName(cluster: string, from: string, to: string, format: ExportFormat): string {
  const part = (text: string): string =>
    text
      .replace(/\.\d+Z$/, 'Z')
      .replaceAll(/[^\w.-]+/g, '-')
      .slice(0, 60);
  const span = [from, to].filter((text) => text !== '').map(part);
  return `${['tessera-audit', part(cluster), ...span].filter((text) => text !== '').join('_')}.${format}`;
}
