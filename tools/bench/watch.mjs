// The watch section: how many events per second reach the watchers, whether all of them do and in order, and what
// watchers that do not read cost the server. The workload of a figure is fixed (so many puts, so many watchers), and it
// is over when the last watcher has the last event.

import { once } from "node:events";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { cpuSeconds, sampleMemory } from "./endpoints.mjs";
import { putMany } from "./keys.mjs";
import { putRequest } from "./messages.mjs";
import { MEBIBYTE, median } from "./report.mjs";
import { atMost, DELIVERY_TARGET, NO_WORSE, NONE, STALLED_GROWTH_MIB_MAX } from "./targets.mjs";

const VALUE = Buffer.alloc(256, "w");
const PUTS_IN_FLIGHT = 100;
/** Above this share of its time the thread that counts is what limits the figure. */
const SATURATED = 0.95;
/** The window of a gRPC client that does not tune it. */
const STALLED_WINDOW_BYTES = 65_535;
const STALLED_WATCHERS = 100;
const ROUND_PAUSE_MS = 300;
/** Before the rounds of a shape this part of its puts runs uncounted. */
const WARM_UP_PART = 4;

/** @param {import("./endpoints.mjs").Pair} pair @param {import("./report.mjs").Report} report */
export async function measureWatch(pair, report, options) {
  const { watchRounds, sharedPuts, distinctPuts, stalledPuts, watchersShare } = options;
  const watchers = Math.ceil(1000 * watchersShare);
  report.begin("Watch");
  const shared = { watchers, keys: 1, puts: sharedPuts };
  const distinct = { watchers: watchers * 10, keys: watchers * 10, puts: distinctPuts };
  for (const [name, shape] of [
    [`${watchers} watchers of one key, 10 connections`, { ...shared, connections: 10 }],
    [`${watchers} watchers of one key, 100 connections`, { ...shared, connections: 100 }],
    [`${watchers * 10} watchers, a key each, 100 connections`, { ...distinct, connections: 100 }],
  ]) {
    const warmUp = { ...shape, puts: Math.ceil(shape.puts / WARM_UP_PART / shape.keys) * shape.keys };
    await pair.each((endpoint) => deliver(endpoint, warmUp));
    const rounds = [];
    for (let round = 0; round < watchRounds; round++)
      rounds.push(await pair.each((endpoint) => deliver(endpoint, shape)));
    addDelivery(report, name, rounds);
  }
  const stalled = await pair.each((endpoint) => stallWatchers(endpoint, stalledPuts));
  addStalled(report, stalledPuts, stalled);
}

let runs = 0;

/** Puts while everyone watches. */
async function deliver(endpoint, shape) {
  const { watchers, keys, puts, connections } = shape;
  const prefix = `watch/${runs++}/`;
  const names = Array.from({ length: keys }, (_, i) => `${prefix}${i}`);
  const crowd = await Crowd.start(endpoint, connections, (i) => names[i % keys], watchers);
  const events = await crowd.expect((share) => (share * puts) / keys);
  const cpuBefore = cpuSeconds(endpoint.pid);
  const began = performance.timeOrigin + performance.now();
  const done = crowd.finished();
  const requests = names.map((name) => putRequest(Buffer.from(name), VALUE));
  await putMany(endpoint, puts, (i) => requests[i % keys], PUTS_IN_FLIGHT);
  const putsDone = performance.timeOrigin + performance.now();
  const result = await done;
  const cpu = cpuSeconds(endpoint.pid) - cpuBefore;
  await crowd.close();
  await sleep(ROUND_PAUSE_MS);
  return {
    rate: events / ((result.lastAt - began) / 1000),
    cpu: (cpu / events) * 1e6,
    putsPerSecond: puts / ((putsDone - began) / 1000),
    missing: missingOf(events, result),
    disordered: result.disordered,
    utilization: result.utilization,
  };
}

function addDelivery(report, name, rounds) {
  const pick = (side, field) => median(rounds.map((round) => round[side][field]));
  const sum = (side, field) => rounds.reduce((total, round) => total + round[side][field], 0);
  const limited = [0, 1].map((side) =>
    pick(side, "utilization") > SATURATED ? ["ours", "other"][side] : "",
  );
  const note = limited.some((side) => side !== "")
    ? `the counting client is the limit: ${limited.filter((side) => side !== "").join(", ")}`
    : "";
  const row = (label, unit, better, field, target, text = "") =>
    report.add({
      name: `${name}: ${label}`,
      unit,
      better,
      ours: pick(0, field),
      other: pick(1, field),
      target,
      note: text,
      raw: rounds,
    });
  row("delivered", "events/s", "higher", "rate", DELIVERY_TARGET, note);
  row("processor", "us/event", "lower", "cpu", NO_WORSE);
  row("puts meanwhile", "puts/s", "higher", "putsPerSecond", undefined);
  for (const [label, field] of [
    ["lost", "missing"],
    ["out of order", "disordered"],
  ])
    report.add({
      name: `${name}: ${label}`,
      unit: "events",
      better: "lower",
      ours: sum(0, field),
      other: sum(1, field),
      target: NONE,
    });
}

/** Memory while nobody reads; then one connection reads on, and must get everything. */
async function stallWatchers(endpoint, puts) {
  const key = `watch/stalled/${runs++}`;
  const request = putRequest(Buffer.from(key), VALUE);
  const other = putRequest(Buffer.from(`${key}/unwatched`), VALUE);
  const without = await growthDuring(endpoint, () => putMany(endpoint, puts, () => other, PUTS_IN_FLIGHT));
  const crowd = await Crowd.start(
    endpoint,
    STALLED_WATCHERS,
    () => key,
    STALLED_WATCHERS,
    STALLED_WINDOW_BYTES,
  );
  const events = await crowd.expect(() => puts);
  await crowd.order({ name: "stall" });
  const growth = await growthDuring(endpoint, () => putMany(endpoint, puts, () => request, PUTS_IN_FLIGHT));
  const done = crowd.finished();
  crowd.tell({ name: "resume", count: 1 });
  const result = await done;
  await crowd.close();
  return { without, growth, missing: missingOf(events, result), disordered: result.disordered };
}

/** Events that never came: seen by their number, or by a gap in the versions of a key. */
function missingOf(expected, result) {
  return Math.max(expected - result.events, result.lost);
}

async function growthDuring(endpoint, work) {
  const sample = sampleMemory(endpoint.pid, 50);
  await work();
  await sleep(ROUND_PAUSE_MS);
  return sample.stop().growth.rss / MEBIBYTE;
}

function addStalled(report, puts, [ours, other]) {
  const row = (name, field, target, unit = "MiB") =>
    report.add({
      name,
      unit,
      better: "lower",
      ours: ours[field],
      other: other[field],
      target,
      raw: { ours, other },
    });
  row(`${puts} puts, nobody watching: growth of memory`, "without", undefined);
  const limit = Math.max(0, ours.without) + STALLED_GROWTH_MIB_MAX;
  row(`${puts} puts, ${STALLED_WATCHERS} stalled watchers: growth of memory`, "growth", atMost(limit, "MiB"));
  row("a stalled watcher that reads on: lost", "missing", NONE, "events");
  row("a stalled watcher that reads on: out of order", "disordered", NONE, "events");
}

/** Watchers spread over connections, the connections over threads. */
class Crowd {
  constructor(workers, shares) {
    this.workers = workers;
    /** How many watchers each worker has. */
    this.shares = shares;
  }

  static async start({ host, port }, connections, keyOf, watchers, windowBytes) {
    const threads = Math.max(1, Math.min(4, availableParallelism() - 2));
    const lists = Array.from({ length: threads }, () => []);
    for (let i = 0; i < connections; i++) lists[i % threads].push([]);
    const flat = Array.from({ length: connections }, (_, i) => lists[i % threads][Math.floor(i / threads)]);
    for (let i = 0; i < watchers; i++) flat[i % connections].push(keyOf(i));
    const used = lists.filter((list) => list.length > 0);
    const workers = used.map((list) => {
      const workerData = { host, port, connections: list.filter((keys) => keys.length > 0), windowBytes };
      return new Worker(new URL("./watch-worker.mjs", import.meta.url), { workerData });
    });
    const shares = used.map((list) => list.reduce((total, keys) => total + keys.length, 0));
    await Promise.all(workers.map((worker) => once(worker, "message")));
    return new Crowd(workers, shares);
  }

  /** Tells each thread how many events it will get, a function of its number of watchers. @returns their sum */
  async expect(eventsOf) {
    const answers = this.answers();
    const events = this.shares.map(eventsOf);
    this.workers.forEach((worker, i) => {
      worker.postMessage({ name: "expect", events: events[i] });
    });
    await answers;
    return events.reduce((total, share) => total + share, 0);
  }

  tell(order) {
    for (const worker of this.workers) worker.postMessage(order);
  }

  async order(order) {
    const answers = this.answers();
    this.tell(order);
    await answers;
  }

  /** The next message of each thread. */
  async answers() {
    return (await Promise.all(this.workers.map((worker) => once(worker, "message")))).map(
      ([answer]) => answer,
    );
  }

  /** Resolves when everything expected has come, or when nothing more does. Call it before the puts. */
  async finished() {
    const results = await this.answers();
    const sum = (field) => results.reduce((total, result) => total + result[field], 0);
    return {
      events: sum("events"),
      lost: sum("lost"),
      disordered: sum("disordered"),
      lastAt: Math.max(...results.map((result) => result.lastAt)),
      utilization: Math.max(...results.map((result) => result.utilization)),
    };
  }

  async close() {
    const gone = Promise.all(this.workers.map((worker) => once(worker, "exit")));
    this.tell({ name: "close" });
    await gone;
  }
}
