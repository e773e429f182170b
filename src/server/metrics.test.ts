import { expect, it } from "vitest";
import { exponentialBounds, Histogram } from "./histogram.js";
import { Metrics } from "./metrics.js";

it("prints counters, gauges and histograms in the exposition format, as they are at scrape time", async () => {
  const metrics = new Metrics();
  let total = 1;
  metrics.counter("a_total", "counted", () => total);
  metrics.gauges("b", "labelled", ["kind"], () => [{ labels: { kind: "x" }, value: 2 }]);
  const histogram = new Histogram(exponentialBounds(0.001, 2, 3));
  metrics.histogram("c_seconds", "timed", histogram);
  total = 5;
  histogram.observe(0.0015);
  histogram.observe(9);
  const lines = (await metrics.text()).split("\n");
  for (const line of [
    "# TYPE a_total counter",
    "a_total 5",
    'b{kind="x"} 2',
    "# TYPE c_seconds histogram",
    'c_seconds_bucket{le="0.001"} 0',
    'c_seconds_bucket{le="0.002"} 1',
    'c_seconds_bucket{le="0.004"} 1',
    'c_seconds_bucket{le="+Inf"} 2',
    "c_seconds_sum 9.0015",
    "c_seconds_count 2",
  ])
    expect(lines).toContain(line);
});
