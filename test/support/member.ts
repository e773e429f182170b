// A member under test: something that serves etcd's API at an endpoint and can be started, stopped and killed. Tests are
// written against this and nothing else, so that one suite runs against our process and against the reference etcd.
//
// A member keeps its data directory and its ports over restarts; `destroy` removes the directory. Standard error is kept
// (the last part of it) and becomes part of the message when a start fails.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./ports.js";

/** What the server says on standard error, as JSON, once clients are served. */
const READY = "ready to serve client requests";
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;
const LOG_KEPT_CHARS = 200_000;

export type TargetName = "reference" | "process";

export interface Target {
  readonly name: TargetName;
  /** `host:port` for clients. */
  readonly endpoint: string;
  readonly dataDir: string;
  /** Starts and waits until clients are served. @param flags added to the member's own, for this start only */
  start(flags?: readonly string[]): Promise<void>;
  /** SIGTERM, and waits for the end of the process. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end of the process. */
  kill(): Promise<void>;
  /** Kills if needed and removes the data directory. */
  destroy(): Promise<void>;
}

/** One single-member cluster in a process of its own. */
export class ProcessMember implements Target {
  readonly name: TargetName;
  readonly dataDir: string;
  readonly #command: readonly string[];
  readonly #flags: readonly string[];
  readonly #root: string;
  #clientPort = 0;
  #peerPort = 0;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #log = "";

  /** @param command program and leading arguments; @param flags added at every start; @param dataDir used in place of a
   *  new one below the system's temporary directory (and then not removed by `destroy`) */
  constructor(name: TargetName, command: readonly string[], flags: readonly string[] = [], dataDir?: string) {
    this.name = name;
    this.#command = command;
    this.#flags = flags;
    this.#root = dataDir === undefined ? mkdtempSync(join(tmpdir(), `etcd-test-${name}-`)) : "";
    this.dataDir = dataDir ?? join(this.#root, "data");
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#clientPort}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The last part of what the process wrote to standard error. */
  get log(): string {
    return this.#log;
  }

  async start(flags: readonly string[] = []): Promise<void> {
    await this.#untilReady(await this.#spawn(flags));
  }

  /** Starts and kills again after so long, ready or not. */
  async startAndKill(afterMs: number): Promise<void> {
    const child = await this.#spawn([]);
    child.stderr!.resume();
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await this.kill();
  }

  async #spawn(flags: readonly string[]): Promise<ChildProcess> {
    if (this.#clientPort === 0) {
      this.#clientPort = await freePort();
      this.#peerPort = await freePort();
    }
    const client = `http://${this.endpoint}`;
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    // biome-ignore format: one flag a line
    const args = [
      ...this.#command.slice(1),
      "--name", "default",
      "--data-dir", this.dataDir,
      "--listen-client-urls", client,
      "--advertise-client-urls", client,
      "--listen-peer-urls", peer,
      "--initial-advertise-peer-urls", peer,
      "--initial-cluster", `default=${peer}`,
      ...this.#flags,
      ...flags,
    ];
    const child = spawn(this.#command[0], args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once("close", () => resolve());
      child.once("error", () => resolve());
    });
    return child;
  }

  #untilReady(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      let searched = "";
      const fail = (why: string) =>
        reject(new Error(`${this.#command[0]}: ${why}\n${this.#log.slice(-4000)}`));
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        fail(`not ready within ${START_TIMEOUT_MS} ms`);
      }, START_TIMEOUT_MS);
      child.once("error", (error) => {
        clearTimeout(timer);
        fail(error.message);
      });
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        fail(`ended with ${signal ?? code} before it was ready`);
      });
      child.stderr!.setEncoding("utf8").on("data", (text: string) => {
        this.#log = (this.#log + text).slice(-LOG_KEPT_CHARS);
        searched = (searched + text).slice(-10_000);
        if (!searched.includes(READY)) return;
        clearTimeout(timer);
        searched = "";
        resolve();
      });
    });
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  async destroy(): Promise<void> {
    await this.kill();
    if (this.#root !== "") rmSync(this.#root, { recursive: true, force: true });
  }
}
