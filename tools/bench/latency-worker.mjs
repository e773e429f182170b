// A thread that puts at a steady rate and notes how long each put took. Requests leave on schedule whether or not
// earlier ones were answered, so a stall is seen by every put that falls into it. How late the thread itself was is
// noted too: latencies are only as good as that.

import { parentPort, workerData } from "node:worker_threads";
import { dial } from "./http2.mjs";
import { numberedPut, shuffled } from "./keys.mjs";
import { PUT } from "./messages.mjs";

const { host, port, perSecond, keys } = workerData;
const WARM_UP = 100;
const client = await dial(host, port);
const interval = 1000 / perSecond;
let latencies = [];
let latenessMs = 0;
let sent = 0;
let outstanding = 0;
let running = false;
let round = 1;
let timer;

function put() {
  const request = numberedPut(shuffled(sent++ % keys, keys), `p${round}`);
  const began = performance.now();
  outstanding++;
  client.call(PUT, request, {
    onMessage() {},
    onEnd(error) {
      if (error !== undefined) throw error;
      latencies.push(performance.now() - began);
      outstanding--;
      if (!running && outstanding === 0) report();
    },
  });
}

function run() {
  let due = performance.now();
  const tick = () => {
    const now = performance.now();
    latenessMs = Math.max(latenessMs, now - due);
    while (due <= now) {
      put();
      due += interval;
    }
    timer = setTimeout(tick, due - performance.now());
  };
  tick();
}

function report() {
  parentPort.postMessage({ latencies, latenessMs });
}

parentPort.on("message", (order) => {
  if (order === "start") {
    latencies = [];
    latenessMs = 0;
    running = true;
    round++;
    run();
  } else if (order === "stop") {
    running = false;
    clearTimeout(timer);
    if (outstanding === 0) report();
  } else if (order === "close") {
    client.close();
    parentPort.close();
  }
});

for (let i = 0; i < WARM_UP; i++) await client.unary(PUT, numberedPut(shuffled(i % keys, keys), "warm"));
parentPort.postMessage("ready");
