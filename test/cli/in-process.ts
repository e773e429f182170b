// Runs etcdctl inside the test, with captured streams; and the reference one as a process, for comparison.

import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Connector } from "#client";
import { LineReader } from "../../src/cli/etcdctl/line-reader.js";
import { runEtcdctl } from "../../src/cli/etcdctl/run.js";
import { REFERENCE_BIN } from "../client/reference-member.js";

export interface Outcome {
  stdout: string;
  stderr: string;
  code: number;
}

export interface Call {
  args: readonly string[];
  stdin?: string;
  env?: Record<string, string>;
}

export async function runOurs(call: Call, connector?: Connector): Promise<Outcome> {
  const out: Buffer[] = [];
  const err: string[] = [];
  const code = await runEtcdctl({
    streams: { out: (data) => void out.push(Buffer.from(data)), err: (text) => void err.push(text) },
    stdin: new LineReader(input(call.stdin ?? "")),
    env: { PATH: process.env["PATH"], ...call.env },
    argv: call.args,
    connector,
  });
  return { stdout: Buffer.concat(out).toString("latin1"), stderr: err.join(""), code };
}

async function* input(text: string): AsyncGenerator<Uint8Array> {
  if (text !== "") yield Buffer.from(text);
}

export function runReference(call: Call): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(REFERENCE_BIN, "etcdctl"), call.args, {
      env: { PATH: process.env["PATH"], ...call.env },
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (data: Buffer) => out.push(data));
    child.stderr.on("data", (data: Buffer) => err.push(data));
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({
        stdout: Buffer.concat(out).toString("latin1"),
        stderr: Buffer.concat(err).toString(),
        code: code ?? -1,
      }),
    );
    child.stdin.end(call.stdin ?? "");
  });
}
