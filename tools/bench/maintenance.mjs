// What clients notice of compaction, snapshots and defragmentation while they put at a steady rate.
//
// Everything is measured in rounds, and a figure is the median of its rounds: a virtual disk stalls now and then for a tenth
// of a second with nobody near, and what happens to fall into such a moment says nothing of the program.

import { once } from "node:events";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { calmDisk } from "./disk.mjs";
import { numberedPut, putMany, shuffled } from "./keys.mjs";
import {
  COMPACT,
  compactionRequest,
  DEFRAGMENT,
  headerRevision,
  RANGE,
  rangeRequest,
  SNAPSHOT,
} from "./messages.mjs";
import { median, percentile } from "./report.mjs";
import { atMost, BUSY_P99_FACTOR_MAX, NO_WORSE, STALL_MS_MAX } from "./targets.mjs";

const PUTS_PER_SECOND = 200;
/** A p99 needs this many puts during the operation; a short operation is repeated. */
const BUSY_SAMPLES_MIN = 400;
const BUSY_REPEATS_MAX = 5;
/** Probing goes on this long after an operation was answered, to see what it left behind. */
const AFTERMATH_MS = 500;

/** @param {import("./endpoints.mjs").Pair} pair @param {import("./report.mjs").Report} report */
export async function besideMaintenance(pair, report, options) {
  await rewrite(pair, options);
  const quiet = await inRounds(pair, options, () => sleep(options.quietMs));
  addPuts(report, "quiet", quiet, undefined);
  const during = async (name, operation, prepare) =>
    addPuts(report, `during ${name}`, await inRounds(pair, options, operation, prepare), quiet);
  await during("compaction", compact, (round) => (round === 0 ? undefined : rewrite(pair, options)));
  await during("a snapshot", repeated(snapshot));
  await during("defragmentation", repeated(defragment));
}

/** Puts keys again, so that there are revisions to compact. */
async function rewrite(pair, { keys, revisions, settleMs }) {
  await pair.each((endpoint) =>
    putMany(endpoint, revisions, (i) => numberedPut(shuffled(i % keys, keys), "r")),
  );
  await sleep(settleMs);
}

/** @param operation gets a client; how often it did its work is its result, unless that is once
 *  @returns {Promise<[object[], object[]]>} what the rounds gave, of ours and of the other */
async function inRounds(pair, { keys, maintenanceRounds }, operation, prepare = () => {}) {
  const rounds = [[], []];
  for (let round = 0; round < maintenanceRounds; round++) {
    await prepare(round);
    const results = await pair.each((endpoint) => putsDuring(endpoint, keys, operation));
    results.forEach((result, side) => {
      rounds[side].push(result);
    });
  }
  return rounds;
}

/** Latencies of the puts sent while the operation ran, and how long it took. */
async function putsDuring(endpoint, keys, operation) {
  if (endpoint.owned) console.log(`  (${endpoint.name}: ${await calmDisk(dirname(endpoint.dataDir))})`);
  const client = await endpoint.dial();
  const prober = await Prober.start(endpoint, keys);
  const began = performance.now();
  const times = (await operation(client)) ?? 1;
  const tookMs = (performance.now() - began) / times;
  await sleep(AFTERMATH_MS);
  const { latencies, latenessMs } = await prober.stop();
  client.close();
  const sorted = latencies.sort((a, b) => a - b);
  return {
    tookMs,
    count: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1),
    clientLatenessMs: latenessMs,
  };
}

async function compact(client) {
  const revision = headerRevision(await client.unary(RANGE, rangeRequest(Buffer.from("bench-probe"))));
  await client.unary(COMPACT, compactionRequest(revision));
}

async function defragment(client) {
  await client.unary(DEFRAGMENT, Buffer.alloc(0));
}

function snapshot(client) {
  return client.drain(SNAPSHOT, Buffer.alloc(0));
}

/** Once more until there are enough puts; tells how often. */
function repeated(operation) {
  return async (client) => {
    const enoughAt = performance.now() + (BUSY_SAMPLES_MIN / PUTS_PER_SECOND) * 1000;
    let times = 0;
    do {
      await operation(client);
      times++;
    } while (times < BUSY_REPEATS_MAX && performance.now() < enoughAt);
    return times;
  };
}

function addPuts(report, when, [ours, other], quiet) {
  const row = (label, field, target, note) =>
    report.add({
      name: `puts at ${PUTS_PER_SECOND}/s ${when}: ${label}`,
      unit: "ms",
      better: "lower",
      ours: medianOf(ours, field),
      other: medianOf(other, field),
      target,
      note,
      raw: { ours, other },
    });
  const each = (field) => `rounds ${listed(ours, field)}; other ${listed(other, field)}`;
  const p99Target = quiet === undefined ? NO_WORSE : twiceQuiet(medianOf(quiet[0], "p99"));
  const stallTarget = quiet === undefined ? undefined : atMost(STALL_MS_MAX, "ms");
  row("p99", "p99", p99Target, `${medianOf(ours, "count")} puts a round; ${each("p99")}`);
  row("longest", "max", stallTarget, each("max"));
  if (quiet !== undefined) row("time taken", "tookMs", undefined, "");
}

function medianOf(rounds, field) {
  return median(rounds.map((round) => round[field]));
}

function listed(rounds, field) {
  return rounds.map((round) => round[field].toFixed(1)).join(", ");
}

function twiceQuiet(quietP99) {
  const limit = quietP99 * BUSY_P99_FACTOR_MAX;
  return {
    text: `<= ${BUSY_P99_FACTOR_MAX}x quiet (${limit.toFixed(2)} ms)`,
    met: ({ ours }) => ours <= limit,
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
