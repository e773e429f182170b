// One reference etcd process on loopback, in a directory of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Where the reference binaries are: $REFERENCE_ETCD, or the cache of this user. */
export const REFERENCE_BIN =
  process.env["REFERENCE_ETCD"] ??
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "reference-etcd/usr/bin");

export const hasReference = existsSync(join(REFERENCE_BIN, "etcd"));

export class ReferenceMember {
  readonly port: number;
  private readonly dir: string;
  private process: ChildProcess | undefined;

  constructor(port: number, dir: string) {
    this.port = port;
    this.dir = dir;
  }

  async start(): Promise<void> {
    const client = `http://127.0.0.1:${this.port}`;
    const peer = `http://127.0.0.1:${this.port + 1}`;
    const child = spawn(
      join(REFERENCE_BIN, "etcd"),
      [
        ...[
          "--data-dir",
          join(this.dir, "data"),
          "--listen-client-urls",
          client,
          "--advertise-client-urls",
          client,
        ],
        ...[
          "--listen-peer-urls",
          peer,
          "--initial-advertise-peer-urls",
          peer,
          "--initial-cluster",
          `default=${peer}`,
        ],
      ],
      { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env["PATH"] } },
    );
    this.process = child;
    await new Promise<void>((resolve, reject) => {
      let log = "";
      child.stderr?.on("data", (chunk: Buffer) => {
        log += chunk;
        if (log.includes("ready to serve client requests")) resolve();
      });
      child.once("exit", (code) => reject(new Error(`etcd ended with ${code}: ${log.slice(-500)}`)));
    });
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }

  private async kill(): Promise<void> {
    const child = this.process;
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
}

export async function startReference(port: number): Promise<ReferenceMember> {
  const member = new ReferenceMember(port, await mkdtemp(join(tmpdir(), "reference-etcd-")));
  await member.start();
  return member;
}
