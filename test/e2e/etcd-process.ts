// One run of `bin/etcd` with any arguments: its log lines, its end, and a client to talk to it.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { freePort, ownBin } from "../support/index.js";

const READY = "ready to serve client requests";
const TIMEOUT_MS = 20_000;

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class EtcdProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<End>;
  stderr = "";
  stdout = "";

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const launcher = join(ownBin(), "etcd");
    if (!existsSync(launcher)) throw new Error(`${launcher} is not there; build first: npm run build`);
    this.child = spawn(process.execPath, [launcher, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => resolve({ code, signal }));
    });
  }

  get lines(): LogLine[] {
    return this.stderr
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as LogLine);
  }

  get messages(): string[] {
    return this.lines.map((line) => line.msg);
  }

  /** The one line that says why the process ended; throws when there is none or more than one. */
  get fatalLine(): LogLine {
    const fatal = this.lines.filter((line) => line.level === "fatal");
    if (fatal.length !== 1) throw new Error(`${fatal.length} fatal lines in:\n${this.stderr}`);
    return fatal[0];
  }

  /** Waits until clients are served. */
  async ready(): Promise<this> {
    const until = Date.now() + TIMEOUT_MS;
    while (!this.stderr.includes(READY)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`ended before it was ready:\n${this.stderr}`);
      if (Date.now() > until) throw new Error(`not ready in time:\n${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<End> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.ended;
  }
}

/** The flags of a member of its own on free ports. */
export async function ownFlags(dataDir: string): Promise<{ endpoint: string; flags: string[] }> {
  const endpoint = `127.0.0.1:${await freePort()}`;
  const client = `http://${endpoint}`;
  return {
    endpoint,
    flags: ["--data-dir", dataDir, "--listen-client-urls", client, "--advertise-client-urls", client],
  };
}
