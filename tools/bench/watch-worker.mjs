// A thread of watch clients that count. Each connection has one Watch stream with its share of the watchers, as etcd's
// own clients do it. Every event is checked against the last one of its watcher: revisions must rise, and the version
// of a key counts its puts, so a version that is not the last one plus one is an event lost, repeated or out of order.

import { parentPort, workerData } from "node:worker_threads";
import { dial } from "./http2.mjs";
import { WATCH, WatchResponse, watchCreateRequest } from "./messages.mjs";

const { host, port, connections, windowBytes } = workerData;

/** Events that stay away this long will not come. */
const PATIENCE_MS = 30_000;

const totals = { events: 0, lost: 0, disordered: 0 };
let created = 0;
let expected = Number.POSITIVE_INFINITY;
let lastAt = 0;
/** @type {WatchConnection[]} */
const all = [];

class WatchConnection {
  constructor(client, keys) {
    this.client = client;
    this.lastRevision = new Float64Array(keys.length);
    this.lastVersion = new Int32Array(keys.length);
    this.response = new WatchResponse();
    this.onEvent = (watchId, modRevision, version) => this.check(watchId, modRevision, version);
    this.stream = client.open(WATCH, this);
    for (const key of keys) this.stream.send(watchCreateRequest(Buffer.from(key)));
  }

  onMessage(buf, start, end) {
    const { response } = this;
    response.read(buf, start, end, this.onEvent);
    if (response.created && ++created === watchers) parentPort.postMessage("ready");
    if (response.canceled) throw new Error(`watcher ${response.watchId} was canceled`);
    if (totals.events >= expected) finish();
  }

  check(watchId, modRevision, version) {
    totals.events++;
    const missing = version - this.lastVersion[watchId] - 1;
    if (missing > 0) totals.lost += missing;
    if (missing < 0 || modRevision <= this.lastRevision[watchId]) totals.disordered++;
    this.lastVersion[watchId] = version;
    this.lastRevision[watchId] = modRevision;
  }

  onEnd(error) {
    if (error !== undefined && !closing) throw error;
  }
}

let closing = false;
let busyFrom = performance.eventLoopUtilization();
/** Gives up when nothing comes any more. @type {NodeJS.Timeout | undefined} */
let patience;

function finish() {
  if (lastAt !== 0) return;
  clearInterval(patience);
  lastAt = performance.timeOrigin + performance.now();
  const { utilization } = performance.eventLoopUtilization(busyFrom);
  parentPort.postMessage({ ...totals, lastAt, utilization });
}

function beginPatience() {
  let seen = totals.events;
  clearInterval(patience);
  patience = setInterval(() => {
    if (totals.events === seen) finish();
    seen = totals.events;
  }, PATIENCE_MS);
}

const orders = {
  /** Counts from here on; `events` more are expected. */
  expect({ events }) {
    expected = totals.events + events;
    lastAt = 0;
    busyFrom = performance.eventLoopUtilization();
    beginPatience();
    parentPort.postMessage("expecting");
  },
  /** Reads nothing more from any connection. */
  stall() {
    clearInterval(patience);
    for (const connection of all) connection.client.socket.pause();
    parentPort.postMessage("stalled");
  },
  /** Goes on reading from the first `count` connections. */
  resume({ count }) {
    beginPatience();
    for (const connection of all.slice(0, count)) connection.client.socket.resume();
  },
  close() {
    closing = true;
    clearInterval(patience);
    for (const connection of all) connection.client.close();
    parentPort.close();
  },
};

parentPort.on("message", (order) => orders[order.name](order));

let watchers = 0;
for (const keys of connections) watchers += keys.length;
for (const keys of connections) all.push(new WatchConnection(await dial(host, port, { windowBytes }), keys));
