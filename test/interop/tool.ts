// Running a command-line program to its end, or for a while.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { referenceBin } from "../support/index.js";

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  input?: string;
  env?: Readonly<Record<string, string>>;
  timeoutMs?: number;
}

export function runTool(
  program: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const child = spawn(program, args, { env: { ...process.env, ...options.env }, stdio: "pipe" });
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 30_000);
  child.stdin.on("error", () => {}); // a program that does not read its input may be gone before it is written
  child.stdin.end(options.input ?? "");
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, stdout, stderr });
    });
  });
}

/** A program that goes on until it is stopped, with what it has printed so far. */
export class RunningTool {
  readonly #child: ChildProcess;
  #stdout = "";
  #wake: (() => void) | undefined;

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#wake?.();
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Waits until so many lines were printed; gives up quietly after the time, so that the comparison shows what came. */
  async lines(count: number, timeoutMs = 8_000): Promise<string[]> {
    const end = Date.now() + timeoutMs;
    while (this.#stdout.split("\n").length <= count && Date.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#stdout.split("\n").slice(0, -1);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGTERM");
    await closed;
  }
}

/** etcdctl of the reference, bound to an endpoint. */
export class Etcdctl {
  readonly #endpoint: string;
  readonly #started: RunningTool[] = [];

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  static get path(): string {
    return join(referenceBin(), "etcdctl");
  }

  run(args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
    return runTool(Etcdctl.path, ["--endpoints", this.#endpoint, ...args], options);
  }

  /** Standard output of a run that must succeed. */
  async out(args: readonly string[], options: ToolOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`etcdctl ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  start(args: readonly string[]): RunningTool {
    const tool = new RunningTool(Etcdctl.path, ["--endpoints", this.#endpoint, ...args]);
    this.#started.push(tool);
    return tool;
  }

  /** Stops what a failed test may have left running. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#started.map((tool) => tool.stop()));
  }
}
