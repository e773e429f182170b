// The scale section: what a million keys cost. Memory after loading and after a restart, the time a restart takes, big
// reads, and what clients notice of compaction, defragmentation and snapshots while they put at a steady rate.

import { once } from "node:events";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { calmDisk } from "./disk.mjs";
import { memory, sampleMemory } from "./endpoints.mjs";
import { ALL_KEYS, numberedPut, prefixOf10000, putMany, shuffled } from "./keys.mjs";
import {
  COMPACT,
  compactionRequest,
  DEFRAGMENT,
  findField,
  headerRevision,
  prefixEnd,
  RANGE,
  RANGE_STREAM,
  rangeRequest,
  SNAPSHOT,
} from "./messages.mjs";
import { MEBIBYTE, median, percentile } from "./report.mjs";
import {
  atMost,
  BUSY_P99_FACTOR_MAX,
  MEMORY_TARGET,
  NO_WORSE,
  RESTART_TARGET,
  SCAN_GROWTH_MIB_MAX,
  STALL_MS_MAX,
} from "./targets.mjs";

const PUTS_PER_SECOND = 200;
const READ_ROUNDS = 11;
/** A p99 needs this many puts during the operation; a short operation is repeated. */
const BUSY_SAMPLES_MIN = 400;
const BUSY_REPEATS_MAX = 5;
/** Probing goes on this long after an operation was answered, to see what it left behind. */
const AFTERMATH_MS = 500;

/** @param {import("./endpoints.mjs").Pair} pair @param {import("./report.mjs").Report} report */
export async function measureScale(pair, report, options) {
  const { keys, revisions, quietMs, settleMs } = options;
  report.begin(`Scale: ${keys} keys of 40 bytes with values of 256 bytes`);
  await loadKeys(pair, report, keys);
  await settled(pair, report, settleMs, "after loading");
  await restarted(pair, report, settleMs);
  await bigReads(pair, report, keys);
  await fullScan(pair, report, keys);
  await pair.each((endpoint) =>
    putMany(endpoint, revisions, (i) => numberedPut(shuffled(i % keys, keys), "r")),
  );
  await sleep(settleMs);
  await besideMaintenance(pair, report, keys, quietMs);
}

async function loadKeys(pair, report, keys) {
  const [ours, other] = await pair.each((endpoint) =>
    putMany(endpoint, keys, (i) => numberedPut(shuffled(i, keys), "l")),
  );
  report.add({
    name: "loading, each key a put, 1000 in flight",
    unit: "puts/s",
    ours: keys / ours,
    other: keys / other,
    note: "client in Node, on the same machine",
  });
}

async function settled(pair, report, settleMs, when) {
  await sleep(settleMs);
  addMemory(report, when, memory(pair.ours.pid), memory(pair.other.pid));
}

function addMemory(report, when, ours, other) {
  const row = (name, field, target) =>
    report.add({
      name: `${name} ${when}`,
      unit: "MiB",
      better: "lower",
      ours: ours[field] / MEBIBYTE,
      other: other[field] / MEBIBYTE,
      target,
    });
  row("resident memory", "rss", MEMORY_TARGET);
  row("of it not mapped files", "anonymous", undefined);
}

async function restarted(pair, report, settleMs) {
  if (!pair.both.every((endpoint) => endpoint.owned)) {
    console.log("a given endpoint is not restarted: no figures of a restart");
    return;
  }
  const [ours, other] = await pair.each(async (endpoint) => {
    await endpoint.stop();
    return endpoint.start();
  });
  report.add({
    name: "restart, to the first get",
    unit: "ms",
    better: "lower",
    ours,
    other,
    target: RESTART_TARGET,
  });
  await settled(pair, report, settleMs, "after a restart");
}

async function bigReads(pair, report, keys) {
  const all = { end: prefixEnd(ALL_KEYS), countOnly: true };
  const some = prefixOf10000(Math.floor(keys / 2));
  const expected = Math.min(10_000, keys);
  await timedRange(pair, report, "get --prefix --count-only, all keys", rangeRequest(ALL_KEYS, all), keys);
  await timedRange(
    pair,
    report,
    `get --prefix, ${expected} keys`,
    rangeRequest(some, { end: prefixEnd(some) }),
    expected,
  );
}

async function timedRange(pair, report, name, request, count) {
  const [ours, other] = await pair.each(async (endpoint) => {
    const client = await endpoint.dial();
    const times = [];
    for (let i = 0; i <= READ_ROUNDS; i++) {
      const began = performance.now();
      const answer = await client.unary(RANGE, request);
      times.push(performance.now() - began);
      const counted = countOf(answer);
      if (counted !== count) throw new Error(`${endpoint.name}: ${name} counted ${counted}, not ${count}`);
    }
    client.close();
    return times.slice(1); // the first warms up
  });
  report.add({
    name,
    unit: "ms",
    better: "lower",
    ours: median(ours),
    other: median(other),
    target: NO_WORSE,
    raw: { ours, other },
  });
}

/** RangeResponse.count. */
function countOf(answer) {
  return findField(answer, 4)?.value ?? 0;
}

/** RangeStream came with etcd 3.7, so an older reference is not asked. */
async function fullScan(pair, report, keys) {
  const { ours, other } = pair;
  other.freeze();
  const client = await ours.dial();
  const sample = sampleMemory(ours.pid);
  const began = performance.now();
  let bytes = 0;
  const request = rangeRequest(ALL_KEYS, { end: prefixEnd(ALL_KEYS) });
  await finished(client, RANGE_STREAM, request, (length) => {
    bytes += length;
  });
  const seconds = (performance.now() - began) / 1000;
  const { growth } = sample.stop();
  client.close();
  other.thaw();
  report.add({
    name: "scan of all keys by RangeStream: growth of memory",
    unit: "MiB",
    better: "lower",
    ours: growth.rss / MEBIBYTE,
    target: atMost(SCAN_GROWTH_MIB_MAX, "MiB"),
    note: `${(growth.anonymous / MEBIBYTE).toFixed(1)} of it not mapped files`,
  });
  report.add({
    name: "scan of all keys by RangeStream",
    unit: "keys/s",
    ours: keys / seconds,
    note: `${(bytes / MEBIBYTE).toFixed(0)} MiB in ${seconds.toFixed(2)} s`,
  });
}

async function besideMaintenance(pair, report, keys, quietMs) {
  const quiet = await pair.each(async (endpoint) => {
    await waitForDisk(endpoint);
    const prober = await Prober.start(endpoint, keys);
    await sleep(quietMs);
    return prober.stop();
  });
  addPuts(report, "quiet", quiet, undefined);
  for (const [name, operation, repeatable] of [
    ["during compaction", compact, false],
    ["during a snapshot", snapshot, true],
    ["during defragmentation", defragment, true],
  ]) {
    const busy = await pair.each((endpoint) => putsDuring(endpoint, keys, operation, repeatable));
    addPuts(report, name, busy, quiet);
  }
}

async function waitForDisk(endpoint) {
  if (endpoint.owned) console.log(`  (${endpoint.name}: ${await calmDisk(dirname(endpoint.dataDir))})`);
}

/** Latencies of the puts sent while the operation ran, and how long it took. */
async function putsDuring(endpoint, keys, operation, repeatable) {
  await waitForDisk(endpoint);
  const client = await endpoint.dial();
  const prober = await Prober.start(endpoint, keys);
  const took = [];
  const began = performance.now();
  do {
    const start = performance.now();
    await operation(client);
    took.push(performance.now() - start);
  } while (
    repeatable &&
    took.length < BUSY_REPEATS_MAX &&
    ((performance.now() - began) / 1000) * PUTS_PER_SECOND < BUSY_SAMPLES_MIN
  );
  await sleep(AFTERMATH_MS);
  const result = await prober.stop();
  client.close();
  return { ...result, took };
}

async function compact(client) {
  const revision = headerRevision(await client.unary(RANGE, rangeRequest(Buffer.from("bench-probe"))));
  await client.unary(COMPACT, compactionRequest(revision));
}

async function defragment(client) {
  await client.unary(DEFRAGMENT, Buffer.alloc(0));
}

function snapshot(client) {
  return finished(client, SNAPSHOT, Buffer.alloc(0), () => {});
}

/** Reads a stream to its end. */
function finished(client, path, request, onLength) {
  return new Promise((resolve, reject) => {
    client.call(path, request, {
      onMessage: (_, start, end) => onLength(end - start),
      onEnd: (error) => (error === undefined ? resolve() : reject(error)),
    });
  });
}

function addPuts(report, when, [ours, other], quiet) {
  const raw = { ours: summary(ours), other: summary(other) };
  const took = (side) =>
    side.took === undefined ? "" : `, ${side.took.map((ms) => Math.round(ms)).join("+")} ms`;
  const note = `${ours.latencies.length} puts${took(ours)}; other ${other.latencies.length} puts${took(other)}`;
  const row = (label, field, target) =>
    report.add({
      name: `puts at ${PUTS_PER_SECOND}/s ${when}: ${label}`,
      unit: "ms",
      better: "lower",
      ours: raw.ours[field],
      other: raw.other[field],
      target,
      note: label === "p99" ? note : `the client was up to ${ours.latenessMs.toFixed(1)} ms late itself`,
      raw,
    });
  if (quiet === undefined) {
    row("p99", "p99", NO_WORSE);
    row("longest", "max", undefined);
    return;
  }
  row("p99", "p99", twiceQuiet(summary(quiet[0]).p99));
  row("longest", "max", atMost(STALL_MS_MAX, "ms"));
}

function twiceQuiet(quietP99) {
  const limit = quietP99 * BUSY_P99_FACTOR_MAX;
  return {
    text: `<= ${BUSY_P99_FACTOR_MAX}x quiet (${limit.toFixed(2)} ms)`,
    met: ({ ours }) => ours <= limit,
  };
}

function summary({ latencies, latenessMs }) {
  const sorted = [...latencies].sort((a, b) => a - b);
  return {
    count: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1),
    clientLatenessMs: latenessMs,
  };
}

/** The thread that puts at a steady rate. */
class Prober {
  constructor(worker) {
    this.worker = worker;
  }

  static async start({ host, port }, keys) {
    const workerData = { host, port, perSecond: PUTS_PER_SECOND, keys };
    const worker = new Worker(new URL("./latency-worker.mjs", import.meta.url), { workerData });
    await once(worker, "message");
    worker.postMessage("start");
    return new Prober(worker);
  }

  async stop() {
    this.worker.postMessage("stop");
    const [result] = await once(this.worker, "message");
    this.worker.postMessage("close");
    await once(this.worker, "exit");
    return result;
  }
}
