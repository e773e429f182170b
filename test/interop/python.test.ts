// The Python package etcd3 (Debian: python3-etcd3) against a member. TARGETS=reference checks the test itself.
// Its generated code is older than today's protobuf library allows, hence the variable.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newMember, selectedTargets, type Target } from "../support/index.js";
import { runTool } from "./tool.js";

const PYTHON = process.env.INTEROP_PYTHON ?? "/usr/bin/python3";
const env = { PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: "python", GRPC_VERBOSITY: "ERROR" };

const EXPECTED = `
get: b'1'
get nothing: None
put if absent: False
replace: True
get again: b'3'
prefix: [(b'p/0', b'0'), (b'p/1', b'1'), (b'p/2', b'2')]
descending: [b'2', b'1', b'0']
keys only: [b'', b'', b'']
range: [b'0', b'1']
delete: True
delete again: False
delete prefix: 2
transaction: True
transaction wrote: b'yes'
failed transaction: False
lease keys: [b'leased']
lease granted: 60
lease left: True
lease refreshed: [60]
leased after revoke: None
watch: [('PutEvent', b'w/1', b'one'), ('PutEvent', b'w/1', b'two'), ('DeleteEvent', b'w/1', b'')]
locked: True
unlocked: False
status: 'default'
members: ['default']
alarms: []
hash: True
snapshot: 'ok'
error: 'etcdserver: requested lease not found'
`.trimStart();

async function havePackage(): Promise<boolean> {
  const { code } = await runTool(PYTHON, ["-c", "import etcd3"], { env }).catch(() => ({ code: -1 }));
  if (code !== 0 && process.env.CI === "true")
    throw new Error("no python etcd3; get it with: apt install python3-etcd3");
  if (code !== 0) process.stderr.write("NOT RUN: no python etcd3; get it with: apt install python3-etcd3\n");
  return code === 0;
}

const possible = await havePackage();

for (const target of selectedTargets()) {
  describe.skipIf(!possible)(`python etcd3 against ${target}`, () => {
    let member: Target;
    beforeAll(async () => {
      member = newMember(target);
      await member.start();
    });
    afterAll(async () => {
      await member?.destroy();
    });

    test("every step of the script gives what it should", async () => {
      const [host, port] = member.endpoint.split(":");
      const script = join(import.meta.dirname, "python_client.py");
      const { stdout, stderr } = await runTool(PYTHON, [script, host, port], { env });
      expect(stdout + stderr).toBe(EXPECTED);
    });
  });
}
