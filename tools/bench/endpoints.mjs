// The two members that are compared: started here as processes with the same flags, on free loopback ports and with
// their data on the same disk, or given as an address that already listens. Only what was started here is ever
// stopped, frozen or restarted.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dial } from "./http2.mjs";
import { findField, RANGE, rangeRequest, STATUS } from "./messages.mjs";

const CLOCK_TICKS = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const QUOTA_BYTES = 8 * 1024 ** 3;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const LOG_LINES_SHOWN = 15;
const PROBE = rangeRequest(Buffer.from("bench-probe"));

/** User and system time of the process, all threads, in seconds; NaN without a pid. */
export function cpuSeconds(pid) {
  if (pid === undefined) return Number.NaN;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

/** Resident memory of the process in bytes: in all, and without the pages of mapped files. */
export function memory(pid) {
  if (pid === undefined) return { rss: Number.NaN, anonymous: Number.NaN };
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))[1]);
  return { rss: kilobytes("VmRSS") * 1024, anonymous: kilobytes("RssAnon") * 1024 };
}

/** Watches a process's memory; `stop` gives the highest values seen. */
export function sampleMemory(pid, everyMs = 20) {
  const before = memory(pid);
  const most = { ...before };
  const timer = setInterval(() => {
    const now = memory(pid);
    most.rss = Math.max(most.rss, now.rss);
    most.anonymous = Math.max(most.anonymous, now.anonymous);
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      return {
        before,
        most,
        growth: { rss: most.rss - before.rss, anonymous: most.anonymous - before.anonymous },
      };
    },
  };
}

/** Hands out free ports: whatever the system gives, or the first free ones from `from` on. */
export class Ports {
  constructor(from = 0) {
    this.next = from;
  }

  async take() {
    if (this.next === 0) return listenOnce(0);
    for (;;) {
      const port = await listenOnce(this.next++).catch(() => 0);
      if (port !== 0) return port;
    }
  }
}

function listenOnce(port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const { port: bound } = server.address();
      server.close(() => resolve(bound));
    });
  });
}

export class Endpoint {
  /** @param {string} name as the table has it @param {string[]} command program and arguments ahead of the flags */
  constructor(name, command) {
    this.name = name;
    this.command = command;
    this.host = "127.0.0.1";
    this.port = 0;
    /** @type {number | undefined} */
    this.pid = undefined;
    this.child = undefined;
    this.profiled = command.includes("--cpu-prof");
    this.flags = [];
    this.logFile = "";
  }

  /** An endpoint that runs already. */
  static given(name, address, pid) {
    const endpoint = new Endpoint(name, []);
    const colon = address.lastIndexOf(":");
    endpoint.host = address.slice(0, colon);
    endpoint.port = Number(address.slice(colon + 1));
    endpoint.pid = pid;
    return endpoint;
  }

  /** Started here, so it may be frozen and restarted. */
  get owned() {
    return this.command.length > 0;
  }

  /** Chooses ports and a folder for a new member and starts it. */
  async create(folder, ports) {
    if (!this.owned) return;
    const peer = await ports.take();
    this.port = await ports.take();
    mkdirSync(folder, { recursive: true });
    this.logFile = join(folder, `${this.name}.log`);
    const clientUrl = `http://127.0.0.1:${this.port}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.dataDir = join(folder, `${this.name}.etcd`);
    this.flags = [
      "--name=bench",
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=bench=${peerUrl}`,
      `--quota-backend-bytes=${QUOTA_BYTES}`,
    ];
    await this.start();
  }

  /** Starts the process on its data. Resolves with the milliseconds from exec to the first answered get. */
  async start() {
    const log = openSync(this.logFile, "a");
    const began = performance.now();
    const child = spawn(this.command[0], [...this.command.slice(1), ...this.flags], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.child = child;
    this.pid = child.pid;
    child.once("exit", () => {
      this.child = undefined;
    });
    while (!(await this.answers())) {
      if (this.child === undefined)
        throw new Error(`${this.name} has exited; its log ends\n${this.logEnd()}`);
      if (performance.now() - began > START_TIMEOUT_MS) throw new Error(`${this.name} answers nothing`);
      await sleep(2);
    }
    return performance.now() - began;
  }

  logEnd() {
    return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN).join("\n");
  }

  /** True when a linearizable get is answered. */
  async answers() {
    let client;
    try {
      client = await dial(this.host, this.port);
      await client.unary(RANGE, PROBE);
      return true;
    } catch {
      return false; // not listening, or without a leader: the caller asks again
    } finally {
      client?.close();
    }
  }

  /** Ends the process and waits for it. */
  async stop() {
    const { child } = this;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }

  /** Lets the process use no processor until `thaw`. A profiled one runs on: its profile would count the pause. */
  freeze() {
    if (!this.profiled) this.child?.kill("SIGSTOP");
  }

  thaw() {
    this.child?.kill("SIGCONT");
  }

  /** For the last resort: the bench itself is going away. */
  kill() {
    this.child?.kill("SIGKILL");
  }

  removeData() {
    if (this.dataDir !== undefined) rmSync(this.dataDir, { recursive: true, force: true });
  }

  dial(options) {
    return dial(this.host, this.port, options);
  }

  async version() {
    const client = await this.dial();
    const answer = await client.unary(STATUS, Buffer.alloc(0));
    client.close();
    const field = findField(answer, 2);
    return answer.toString("latin1", field.start, field.end);
  }
}

/** Two endpoints: `ours` and `other`, measured in turn. */
export class Pair {
  constructor(ours, other) {
    this.ours = ours;
    this.other = other;
    this.both = [ours, other];
  }

  /** Runs `measure(endpoint)` for one and then for the other, each time with the one not measured frozen.
   *  @template T @param {(endpoint: Endpoint) => Promise<T>} measure @returns {Promise<[T, T]>} ours, other */
  async each(measure) {
    const results = [];
    for (const endpoint of this.both) {
      const idle = endpoint === this.ours ? this.other : this.ours;
      idle.freeze();
      try {
        results.push(await measure(endpoint));
      } finally {
        idle.thaw();
      }
    }
    return /** @type {[T, T]} */ (results);
  }
}
