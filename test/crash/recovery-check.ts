// After a restart: asks the member for everything that the model knows something of.

import { status as Code } from "@grpc/grpc-js";
import { KV, Lease, Maintenance } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import { TestClient } from "../support/index.js";
import type { HashAt, Model, Observation, StoredKey } from "./model.js";

const PREFIX = { key: Buffer.from("w"), rangeEnd: Buffer.from("x") };
const CHECKED_TOGETHER = 50;

export async function checkRecovery(endpoint: string, model: Model): Promise<void> {
  const client = new TestClient(endpoint);
  try {
    await client.ready();
    await checkKeys(client, model);
    await checkCompaction(client, model);
    await inBatches(model.observations, (observation) => checkObservation(client, model, observation));
    await inBatches([...model.leases], ([ID, there]) => checkLease(client, model, ID, there));
    await inBatches(model.hashes, (hash) => checkHash(client, model, hash));
    model.hashes = [];
  } finally {
    client.close();
  }
}

async function checkKeys(client: TestClient, model: Model): Promise<void> {
  const { header, kvs } = await client.must(KV.method.range, PREFIX);
  const stored = new Map<string, StoredKey>();
  for (const kv of kvs) {
    stored.set(Buffer.from(kv.key).toString(), {
      value: Buffer.from(kv.value).toString(),
      revision: Number(kv.modRevision),
    });
  }
  model.afterCrash(stored, Number(header!.revision));
}

async function checkCompaction(client: TestClient, model: Model): Promise<void> {
  if (model.compacted < 2) return;
  const outcome = await client.unary(KV.method.range, { ...PREFIX, revision: BigInt(model.compacted - 1) });
  if ("response" in outcome || outcome.code !== Code.OUT_OF_RANGE) {
    model.violation(`revision ${model.compacted - 1} can be read although ${model.compacted} was compacted`);
  }
}

async function checkObservation(client: TestClient, model: Model, observation: Observation): Promise<void> {
  const { key, revision, value } = observation;
  const outcome = await client.unary(KV.method.range, { key: Buffer.from(key), revision: BigInt(revision) });
  if (!("response" in outcome)) {
    if (revision < model.compactedMaybe && outcome.code === Code.OUT_OF_RANGE) return;
    model.violation(`${key} at ${revision} was read and now: ${outcome.code} ${outcome.message}`);
    return;
  }
  const [kv] = outcome.response.kvs;
  if (kv === undefined || Buffer.from(kv.value).toString() !== value || Number(kv.modRevision) !== revision) {
    model.violation(`${key} at ${revision} was read as "${value.slice(0, 40)}" and now is something else`);
  }
}

async function checkLease(client: TestClient, model: Model, ID: bigint, there: boolean): Promise<void> {
  const { TTL } = await client.must(Lease.method.leaseTimeToLive, { ID });
  if (there && TTL <= 0n) model.violation(`lease ${ID} was granted and is gone`);
  if (!there && TTL > 0n) model.violation(`lease ${ID} was revoked and is there`);
  if (!there) model.leases.delete(ID);
}

async function checkHash(client: TestClient, model: Model, known: HashAt): Promise<void> {
  const outcome = await client.unary(Maintenance.method.hashKV, { revision: BigInt(known.revision) });
  if (!("response" in outcome)) {
    if (known.revision >= model.compactedMaybe)
      model.violation(`no hash at ${known.revision}: ${outcome.message}`);
    return;
  }
  const { hash, compactRevision } = outcome.response;
  if (Number(compactRevision) === known.compactRevision && hash !== known.hash) {
    model.violation(`hash at ${known.revision} was ${known.hash} and is ${hash}`);
  }
}

async function inBatches<T>(items: readonly T[], check: (item: T) => Promise<void>): Promise<void> {
  for (let first = 0; first < items.length; first += CHECKED_TOGETHER) {
    await Promise.all(items.slice(first, first + CHECKED_TOGETHER).map(check));
  }
}
