// The load section: unary puts and ranges of one key, with 1, 100 and 1000 requests in flight, made by h2load (a C
// program, so that nearly all the processor time is the server's). Rounds alternate between the two endpoints; a
// figure is the median over the rounds.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuSeconds } from "./endpoints.mjs";
import { PUT, putRequest, RANGE, rangeRequest } from "./messages.mjs";
import { median, percentile } from "./report.mjs";
import { CPU_TARGETS, NO_WORSE, RATE_TARGETS } from "./targets.mjs";

/** Name, method, connections, streams on each, requests. */
const LOADS = [
  ["put 1", PUT, 1, 1, 3000],
  ["put 100", PUT, 10, 10, 40_000],
  ["put 1000", PUT, 100, 10, 80_000],
  ["range 1", RANGE, 1, 1, 6000],
  ["range 100", RANGE, 10, 10, 80_000],
  ["range 1000", RANGE, 100, 10, 120_000],
];
const WARM_UP_REQUESTS = 5000;
const H2LOAD_TIMEOUT_MS = 120_000;

/** @param {import("./endpoints.mjs").Pair} pair @param {import("./report.mjs").Report} report */
export async function measureLoad(pair, report, { rounds, valueBytes, loadShare }) {
  report.begin("Load");
  const folder = mkdtempSync(join(tmpdir(), "bench-load-"));
  try {
    const key = Buffer.from("side0001");
    const bodies = {
      [PUT]: bodyFile(join(folder, "put"), putRequest(key, Buffer.alloc(valueBytes, "v"))),
      [RANGE]: bodyFile(join(folder, "range"), rangeRequest(key)),
    };
    const log = join(folder, "log");
    for (const method of [PUT, RANGE])
      await pair.each((endpoint) => h2load(endpoint, method, 10, 10, WARM_UP_REQUESTS, bodies[method], log));
    for (const [name, method, connections, streams, full] of LOADS) {
      const requests = Math.ceil(full * loadShare);
      const results = [];
      for (let round = 0; round < rounds; round++) {
        results.push(
          await pair.each((endpoint) =>
            h2load(endpoint, method, connections, streams, requests, bodies[method], log),
          ),
        );
      }
      addRows(report, name, results);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function addRows(report, name, results) {
  const pick = (side, field) => median(results.map((round) => round[side][field]));
  const row = (label, unit, better, field, target) =>
    report.add({
      name: `${name} in flight: ${label}`,
      unit,
      better,
      ours: pick(0, field),
      other: pick(1, field),
      target,
      raw: results.map((round) => round.map((side) => side[field])),
    });
  row("rate", "req/s", "higher", "rate", RATE_TARGETS[name]);
  row("p99", "ms", "lower", "p99", NO_WORSE);
  row("processor", "us/req", "lower", "cpu", CPU_TARGETS[name]);
}

/** One run against one endpoint: requests per second, p99 in ms, processor time of the server in us per request. */
async function h2load(endpoint, method, connections, streams, requests, body, log) {
  rmSync(log, { force: true });
  const before = cpuSeconds(endpoint.pid);
  const text = await run("h2load", [
    ...["-n", String(requests), "-c", String(connections), "-m", String(streams), "-d", body],
    ...["-H", "content-type: application/grpc", "-H", "te: trailers", `--log-file=${log}`],
    `http://${endpoint.host}:${endpoint.port}${method}`,
  ]);
  const cpu = ((cpuSeconds(endpoint.pid) - before) / requests) * 1e6;
  const done = text.match(/(\d+) succeeded, (\d+) failed, (\d+) errored/);
  if (Number(done?.[1]) !== requests)
    throw new Error(`${endpoint.name} ${method}: not every request succeeded\n${text}`);
  const rate = Number(text.match(/finished in [^,]*, ([\d.]+) req\/s/)[1]);
  const times = readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => Number(line.split("\t")[2]))
    .sort((a, b) => a - b);
  return { rate, p99: percentile(times, 0.99) / 1000, cpu };
}

function bodyFile(path, message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  writeFileSync(path, Buffer.concat([head, message]));
  return path;
}

/** What the program prints. */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { timeout: H2LOAD_TIMEOUT_MS });
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    child.stderr.on("data", (text) => {
      output += text;
    });
    child.once("error", (error) =>
      reject(new Error(`${program} (Debian package nghttp2-client): ${error.message}`)),
    );
    child.once("close", () => resolve(output));
  });
}
