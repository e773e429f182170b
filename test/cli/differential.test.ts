// etcdctl against the reference etcdctl (3.5.30) on the same member: same arguments, same output, same exit code.
//
// Every case runs twice. Both runs change the store, so before they are compared, what must differ is blotted out:
// revisions and raft indexes grow by what one run adds, times and lease ids are what they are.

import { type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "#client";
import { hasReference, type ReferenceMember, startReference } from "../client/reference-member.js";
import { CASES, type Case } from "./cases.js";
import { type Outcome, runOurs, runReference } from "./in-process.js";

const PORT = 28200;
const ENDPOINT = `127.0.0.1:${PORT}`;
let member: ReferenceMember | undefined;
let client: Client;

beforeAll(async () => {
  if (!hasReference) return;
  member = await startReference(PORT);
  client = new Client({ endpoints: [ENDPOINT] });
});

afterAll(async () => {
  client?.close();
  await member?.stop();
});

async function prepare(): Promise<void> {
  await client.kv.delete("", { prefix: true });
  for (const { id } of (await client.lease.leases()).leases.map((id) => ({ id })))
    await client.lease.revoke(id);
  await client.lease.grant(1000, { id: 0x1234n });
  await client.kv.put("a", "1");
  await client.kv.put("a", "2");
  await client.kv.put("b", "two words");
  await client.kv.put("c", Uint8Array.of(0, 0xff, 10, 0x41), { lease: 0x1234n });
  await client.kv.put("d/<&>", "é\u2028");
}

function blot(text: string): string {
  return text
    .replace(/^\{"level":"(warn|info)".*\n/gm, "")
    .replace(
      /("(?:revision|mod_revision|create_revision|raftIndex|raftAppliedIndex|CompactRevision)":)\d+/g,
      "$1N",
    )
    .replace(/("(?:Prev)?(?:Revision|CreateRevision|ModRevision|RaftIndex|RaftAppliedIndex)" : )\d+/g, "$1N")
    .replace(/"(took)":"[^"]*"/g, '"$1":"T"')
    .replace(/("Took" : |took = |took )\S+/g, "$1T")
    .replace(/remaining\(\d+s\)/g, "remaining(N)")
    .replace(/("(?:ttl|TTL)"(?: : |:))99\d/g, "$1N")
    .replace(/"(dbSize|dbSizeInUse|DBSize|DBSizeInUse)"( : |:)\d+/g, '"$1"$2N');
}

function normalized(
  { stdout, stderr, code }: Outcome,
  transform: (text: string) => string,
  schema: DescMessage | undefined,
): Outcome {
  const text = schema === undefined ? stdout : decoded(schema, stdout);
  return { stdout: transform(blot(text)), stderr: transform(blot(stderr)), code };
}

/** A protobuf output as text. */
function decoded(schema: DescMessage, output: string): string {
  const message = fromBinary(schema, Buffer.from(output, "latin1"));
  return JSON.stringify(toJson(schema, message, { useProtoFieldName: true })).replace(
    /"(revision|mod_revision|create_revision)":"\d+"/g,
    '"$1":N',
  );
}

async function compare({
  args,
  stdin,
  env,
  before,
  schema,
  ours = (text) => text,
  reference = (text) => text,
}: Case) {
  const at =
    args.some((arg) => arg.startsWith("--endpoints")) || env?.["ETCDCTL_ENDPOINTS"] !== undefined
      ? []
      : ["--endpoints", ENDPOINT];
  const call = { args: [...at, ...args], stdin, env };
  await prepare();
  await before?.(client);
  const expected = await runReference(call);
  await prepare();
  await before?.(client);
  const actual = await runOurs(call);
  expect(normalized(actual, ours, schema)).toEqual(normalized(expected, reference, schema));
}

describe.skipIf(!hasReference)("etcdctl does as the reference does", () => {
  it.each(CASES.map((one) => ({ ...one, title: one.title ?? one.args.join(" ") })))("$title", compare);
});
