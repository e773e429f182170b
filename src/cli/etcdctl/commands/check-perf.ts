// etcdctl check perf: writes at a fixed rate for a minute, and judges throughput and latency.

import { randomBytes } from "node:crypto";
import { utf8 } from "#base";
import { type Client, EtcdError } from "#client";
import type { Flag } from "../../flags/index.js";
import { quoteText } from "../../print/index.js";
import { type CommandSpec, ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";

interface Workload {
  /** Writes per second. */
  readonly rate: number;
  readonly clients: number;
}

const WORKLOADS: Readonly<Record<string, Workload>> = {
  s: { rate: 150, clients: 50 },
  m: { rate: 1000, clients: 200 },
  l: { rate: 8000, clients: 500 },
  xl: { rate: 15000, clients: 1000 },
};
const ALIASES: Readonly<Record<string, string>> = { small: "s", medium: "m", large: "l", xLarge: "xl" };
const DURATION_S = 60;
const KEY_BYTES = 256;
const VALUE = new Uint8Array(1024);
const CLEANUP_TIMEOUT_MS = 30_000;
const THROUGHPUT_MIN = 0.9;
const SLOWEST_S_MAX = 0.5;
const STDDEV_S_MAX = 0.1;

const FLAGS: readonly Flag[] = [
  {
    name: "load",
    type: "string",
    default: "s",
    help: "The performance check's workload model. Accepted workloads: s(small), m(medium), l(large), xl(xLarge). Different workload models use different configurations in terms of number of clients and expected throughput.",
  },
  {
    name: "prefix",
    type: "string",
    default: "/etcdctl-check-perf/",
    help: "The prefix for writing the performance check's keys.",
  },
  {
    name: "auto-compact",
    type: "bool",
    default: false,
    help: "Compact storage with last revision after test is finished.",
  },
  { name: "auto-defrag", type: "bool", default: false, help: "Defragment storage after test is finished." },
];

export const CHECK: CommandSpec = {
  name: "check",
  use: "check <subcommand>",
  short:
    "commands for checking properties of the etcd cluster. Use `etcdctl check --help` to see subcommands",
  long: "commands for checking properties of the etcd cluster",
  group: "Utility commands",
  children: [
    {
      name: "perf",
      use: "perf [options]",
      short: "Check the performance of the etcd cluster",
      flags: FLAGS,
      run: (context) => checkPerf(context, DURATION_S),
    },
  ],
};

/** @param durationS seconds of load; the command's is a minute */
export async function checkPerf(context: Context, durationS: number): Promise<undefined> {
  const load = context.flags.text("load");
  const workload = WORKLOADS[ALIASES[load] ?? load];
  if (workload === undefined) throw new ExitError(ExitCode.BadFeature, `unknown load option ${load}`);
  const clients = Array.from({ length: workload.clients }, () => context.client());
  const prefix = context.flags.text("prefix");
  await refuseUsedPrefix(clients[0], prefix);
  const result = await drive(context, clients, workload, prefix, durationS);
  await cleanUp(context, clients[0], prefix, context.flags.bool("auto-compact"));
  if (context.flags.bool("auto-defrag")) await defragment(context, clients[0]);
  const passed = judge(context, workload, result);
  context.streams.out(passed ? "PASS\n" : "FAIL\n");
  if (!passed) throw new ExitError(ExitCode.Error);
}

async function refuseUsedPrefix(client: Client, prefix: string): Promise<void> {
  const { kvs } = await client.kv.get(prefix, { prefix: true, limit: 1 });
  if (kvs.length === 0) return;
  throw new ExitError(
    ExitCode.InvalidInput,
    `prefix ${quoteText(prefix)} has keys. Delete with 'etcdctl del --prefix ${prefix}' first`,
  );
}

interface Measurement {
  readonly latenciesS: readonly number[];
  readonly elapsedS: number;
  readonly errors: ReadonlyMap<string, number>;
}

/** Sends writes at the workload's rate. A write waits for a client that is free: one write at a time and client. */
async function drive(
  context: Context,
  clients: readonly Client[],
  { rate }: Workload,
  prefix: string,
  durationS: number,
): Promise<Measurement> {
  const latenciesS: number[] = [];
  const errors = new Map<string, number>();
  const started = performance.now();
  const total = rate * durationS;
  let sent = 0;
  const work = async (client: Client): Promise<void> => {
    while (sent < total) {
      const due = started + (sent++ * 1000) / rate;
      const early = due - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      if (performance.now() - started > durationS * 1000) return;
      const begin = performance.now();
      try {
        await client.kv.put(randomKey(prefix), VALUE);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        errors.set(error.message, (errors.get(error.message) ?? 0) + 1);
      }
      latenciesS.push((performance.now() - begin) / 1000);
    }
  };
  const ticker = showProgress(context, durationS);
  await Promise.all(clients.map(work));
  clearInterval(ticker);
  return { latenciesS, elapsedS: (performance.now() - started) / 1000, errors };
}

function randomKey(prefix: string): Uint8Array {
  const key = new Uint8Array(prefix.length + KEY_BYTES);
  key.set(utf8(prefix));
  key.set(randomBytes(8), prefix.length);
  return key;
}

function showProgress(context: Context, durationS: number): NodeJS.Timeout {
  let second = 0;
  return setInterval(() => {
    second++;
    context.streams.err(` ${second} / ${durationS} ${Math.round((100 * second) / durationS)}%\n`);
  }, 1000);
}

async function cleanUp(context: Context, client: Client, prefix: string, compact: boolean): Promise<void> {
  try {
    const options = { timeoutMs: CLEANUP_TIMEOUT_MS };
    const { header } = await client.kv.delete(prefix, { prefix: true, ...options });
    if (!compact) return;
    context.streams.out(`Compacting with revision ${header.revision}\n`);
    await client.kv.compact(header.revision, { physical: true, ...options });
    context.streams.out(`Compacted with revision ${header.revision}\n`);
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    context.streams.out(`FAIL: Cleanup failed during key deletion: ERROR(${error.message})\n`);
  }
}

async function defragment(context: Context, client: Client): Promise<void> {
  for (const endpoint of context.endpoints) {
    context.streams.out(`Defragmenting ${quoteText(endpoint)}\n`);
    await client.maintenance.defragment({ endpoint, timeoutMs: CLEANUP_TIMEOUT_MS });
    context.streams.out(`Defragmented ${quoteText(endpoint)}\n`);
  }
}

function judge(context: Context, { rate }: Workload, { latenciesS, elapsedS, errors }: Measurement): boolean {
  const say = (text: string): void => context.streams.out(`${text}\n`);
  if (errors.size > 0) {
    say("FAIL: too many errors");
    for (const [message, count] of errors) say(`FAIL: ERROR(${message}) -> ${count}`);
  }
  const perSecond = latenciesS.length / elapsedS;
  const slowest = latenciesS.reduce((max, latency) => Math.max(max, latency), 0);
  const stddev = standardDeviation(latenciesS);
  const quick = perSecond / rate > THROUGHPUT_MIN;
  const writes = `${Math.floor(perSecond) + 1} writes/s`;
  say(quick ? `PASS: Throughput is ${writes}` : `FAIL: Throughput too low: ${writes}`);
  const prompt = slowest <= SLOWEST_S_MAX;
  say(`${prompt ? "PASS: Slowest request took" : "Slowest request took too long:"} ${slowest.toFixed(6)}s`);
  const steady = stddev <= STDDEV_S_MAX;
  say(`${steady ? "PASS: Stddev is" : "Stddev too high:"} ${stddev.toFixed(6)}s`);
  return errors.size === 0 && quick && prompt && steady;
}

function standardDeviation(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
