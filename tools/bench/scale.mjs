// The scale section: what a million keys cost. Memory after loading and after a restart, the time a restart takes, big
// reads, and what clients notice of maintenance (maintenance.mjs).

import { setTimeout as sleep } from "node:timers/promises";
import { memory, sampleMemory } from "./endpoints.mjs";
import { ALL_KEYS, numberedPut, prefixOf10000, putMany, shuffled } from "./keys.mjs";
import { besideMaintenance } from "./maintenance.mjs";
import { findField, prefixEnd, RANGE, RANGE_STREAM, rangeRequest } from "./messages.mjs";
import { MEBIBYTE, median } from "./report.mjs";
import { atMost, MEMORY_TARGET, NO_WORSE, RESTART_TARGET, SCAN_GROWTH_MIB_MAX } from "./targets.mjs";

const READ_ROUNDS = 11;
const RESTART_ROUNDS = 3;

/** @param {import("./endpoints.mjs").Pair} pair @param {import("./report.mjs").Report} report */
export async function measureScale(pair, report, options) {
  const { keys, settleMs } = options;
  report.begin(`Scale: ${keys} keys of 40 bytes with values of 256 bytes`);
  await loadKeys(pair, report, keys);
  await settled(pair, report, settleMs, "after loading");
  await restarted(pair, report, settleMs);
  await bigReads(pair, report, keys);
  await fullScan(pair, report, keys);
  await besideMaintenance(pair, report, options);
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
  const ours = [];
  const other = [];
  for (let round = 0; round < RESTART_ROUNDS; round++) {
    const times = await pair.each(async (endpoint) => {
      await endpoint.stop();
      return endpoint.start();
    });
    ours.push(times[0]);
    other.push(times[1]);
  }
  report.add({
    name: "restart, to the first get",
    unit: "ms",
    better: "lower",
    ours: median(ours),
    other: median(other),
    target: RESTART_TARGET,
    raw: { ours, other },
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
  await client.drain(RANGE_STREAM, request, (length) => {
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
