// The metrics of a member. Everything hot is a plain field or a Histogram that its owner updates; this file only names
// them and reads them when somebody scrapes. Names, types and labels are etcd's; prom-client writes the text format.

import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  type MetricObjectWithValues,
  type MetricValueWithName,
  Histogram as PromHistogram,
  Registry,
} from "prom-client";
import type { Histogram } from "./histogram.js";

export type LabelValues = Readonly<Record<string, string | number>>;

/** One sample of a family. */
export interface Sample {
  readonly labels: LabelValues;
  readonly value: number;
}

/** One labelled histogram of a family. */
export interface HistogramSample {
  readonly labels: LabelValues;
  readonly histogram: Histogram;
}

type HistogramObject = MetricObjectWithValues<MetricValueWithName<string>>;

/** A histogram family whose buckets are counted elsewhere. */
class ReadHistogram extends PromHistogram {
  private readonly read: () => readonly HistogramSample[];
  /** Supplies everything of the printed object but the values. */
  private readonly template: PromHistogram;

  constructor(name: string, help: string, registry: Registry, read: () => readonly HistogramSample[]) {
    super({ name, help, registers: [registry] });
    this.template = new PromHistogram({ name, help, registers: [] });
    this.read = read;
  }

  override async get(): Promise<HistogramObject> {
    return this.getForPromString();
  }

  /** What the registry calls to print a histogram. */
  async getForPromString(): Promise<HistogramObject> {
    const { name, help, type, aggregator, collect } = await this.template.get();
    const values = this.read().flatMap((row) => expose(name, row.labels, row.histogram));
    return { name, help, type, aggregator, collect, values };
  }
}

/** A member's families, filled by the rooms' owners and printed on demand. */
export class Metrics {
  private readonly registry = new Registry();
  private scrapes = 0;
  private scrapesInFlight = 0;

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    this.gauge(
      "promhttp_metric_handler_requests_in_flight",
      "Scrapes being served.",
      () => this.scrapesInFlight,
    );
    this.counters("promhttp_metric_handler_requests_total", "Scrapes by HTTP status.", ["code"], () => [
      { labels: { code: "200" }, value: this.scrapes },
    ]);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The exposition text. */
  async text(): Promise<string> {
    this.scrapesInFlight++;
    try {
      const text = await this.registry.metrics();
      this.scrapes++;
      return text;
    } finally {
      this.scrapesInFlight--;
    }
  }

  counter(name: string, help: string, read: () => number): void {
    this.counters(name, help, [], () => [{ labels: {}, value: read() }]);
  }

  gauge(name: string, help: string, read: () => number): void {
    this.gauges(name, help, [], () => [{ labels: {}, value: read() }]);
  }

  /** A counter family with labels: `read` lists its samples. */
  counters(name: string, help: string, labelNames: string[], read: () => readonly Sample[]): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect(): void {
        this.reset();
        for (const sample of read()) this.inc(sample.labels, sample.value);
      },
    });
  }

  /** A gauge family with labels. */
  gauges(name: string, help: string, labelNames: string[], read: () => readonly Sample[]): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect(): void {
        this.reset();
        for (const sample of read()) this.set(sample.labels, sample.value);
      },
    });
  }

  histogram(name: string, help: string, histogram: Histogram): void {
    this.histograms(name, help, () => [{ labels: {}, histogram }]);
  }

  /** A histogram family with labels. */
  histograms(name: string, help: string, read: () => readonly HistogramSample[]): void {
    new ReadHistogram(name, help, this.registry, read);
  }
}

function expose(name: string, labels: LabelValues, histogram: Histogram): MetricValueWithName<string>[] {
  const values: MetricValueWithName<string>[] = [];
  let cumulated = 0;
  histogram.bounds.forEach((bound, i) => {
    cumulated += histogram.counts[i];
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: cumulated });
  });
  values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: histogram.count });
  values.push({ metricName: `${name}_sum`, labels: { ...labels }, value: histogram.sum });
  values.push({ metricName: `${name}_count`, labels: { ...labels }, value: histogram.count });
  return values;
}
