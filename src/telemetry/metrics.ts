import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BugError } from '../errors.ts';

/**
 * The numbers of a process, for Prometheus. Hot paths add to plain fields (`tally.value += n`) that are read when somebody scrapes; nothing of
 * prom-client runs per message. The named instruments of the program are in instruments.ts.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #maxSeries: number;

  constructor(options: MetricsOptions = {}) {
    this.#maxSeries = options.maxSeries ?? 1000;
    if (options.processMetrics ?? false)
      collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 50 });
  }

  /** One ever-growing number. */
  counter(name: string, help: string): Tally {
    const tally: Tally = { value: 0 };
    this.#register(
      name,
      () =>
        new Counter({
          name,
          help,
          registers: [this.#registry],
          collect() {
            this.reset();
            this.inc(tally.value);
          },
        }),
    );
    return tally;
  }

  /**
   * One number per combination of label values: look the Tally up once (at session start), keep it, add to it. Beyond `maxSeries` combinations all
   * further ones share one with every label `other`. `beforeScrape` may bring the tallies up to date.
   */
  counters<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    beforeScrape?: () => void,
  ): Family<L> {
    const family = new Family<L>(labelNames, this.#maxSeries);
    this.#register(
      name,
      () =>
        new Counter({
          name,
          help,
          labelNames: [...labelNames],
          registers: [this.#registry],
          collect() {
            beforeScrape?.();
            this.reset();
            for (const { labels, tally } of family.series()) this.inc(labels, tally.value);
          },
        }),
    );
    return family;
  }

  /** One number that goes up and down, asked for at each scrape. A throwing `read` gives no sample. */
  gauge(name: string, help: string, read: () => number): void {
    this.gauges(name, help, [], () => [{ labels: {}, value: read() }]);
  }

  /** Like `gauge`, with labels: the samples as of now, at most `maxSeries` of them. */
  gauges<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: () => Iterable<Sample<L>>,
  ): void {
    const limit = this.#maxSeries;
    this.#register(
      name,
      () =>
        new Gauge({
          name,
          help,
          labelNames: [...labelNames],
          registers: [this.#registry],
          collect() {
            this.reset();
            let count = 0;
            for (const { labels, value } of samples(read)) {
              if (count >= limit) break;
              count += 1;
              this.set(labels, value);
            }
          },
        }),
    );
  }

  /** Counts values into buckets; a third of a microsecond an observation, so not for every message. */
  histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: readonly number[],
  ): Distribution<L> {
    const histogram = this.#register(
      name,
      () =>
        new Histogram<L>({
          name,
          help,
          labelNames: [...labelNames],
          buckets: [...buckets],
          registers: [this.#registry],
        }),
    );
    return { observe: (labels, value) => histogram.observe(labels, value) };
  }

  /** The exposition text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  #register<T>(name: string, make: () => T): T {
    if (!name.startsWith('tessera_')) throw new BugError(`metric ${name} must begin with tessera_`);
    return make();
  }
}

export type MetricsOptions = {
  /** Label combinations per metric. Default 1000. */
  readonly maxSeries?: number;
  /** Also `process_*` and `nodejs_*`; once per process. Default false. */
  readonly processMetrics?: boolean;
};

/** A counter's number; add to it. */
export type Tally = { value: number };
export type Sample<L extends string> = { readonly labels: Readonly<Record<L, string>>; readonly value: number };

/** Counts values into buckets. */
export interface Distribution<L extends string> {
  observe(labels: Readonly<Record<L, string>>, value: number): void;
}

/** Tallies by label values; made by `Metrics.counters`. */
export class Family<L extends string> {
  readonly #labelNames: readonly L[];
  readonly #maxSeries: number;
  readonly #series = new Map<string, { readonly labels: Readonly<Record<L, string>>; readonly tally: Tally }>();

  constructor(labelNames: readonly L[], maxSeries: number) {
    this.#labelNames = labelNames;
    this.#maxSeries = maxSeries;
  }

  /** The tally of these label values, always the same one. */
  of(labels: Readonly<Record<L, string>>): Tally {
    const key = this.#labelNames.map((name) => labels[name]).join('\u0000');
    const known = this.#series.get(key);
    if (known !== undefined) return known.tally;
    if (this.#series.size < this.#maxSeries) return this.#add(key, { ...labels });
    return this.#series.get(OTHER)?.tally ?? this.#add(OTHER, this.#otherLabels());
  }

  /** All tallies so far. */
  series(): Iterable<{ readonly labels: Readonly<Record<L, string>>; readonly tally: Tally }> {
    return this.#series.values();
  }

  #add(key: string, labels: Readonly<Record<L, string>>): Tally {
    const tally = { value: 0 };
    this.#series.set(key, { labels, tally });
    return tally;
  }

  #otherLabels(): Record<L, string> {
    return Object.fromEntries(this.#labelNames.map((name) => [name, 'other'])) as Record<L, string>;
  }
}

function* samples<L extends string>(read: () => Iterable<Sample<L>>): Iterable<Sample<L>> {
  try {
    yield* read();
  } catch {
    // A gauge whose owner is gone must not take the whole scrape with it.
  }
}

/** The key of the one shared series; label values come from our own tables and resources' names, which hold no zero bytes. */
const OTHER = '\u0000other\u0000';
