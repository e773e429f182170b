// The simple format: what a person reads. Keys and values go out as the bytes they are, or as \xNN with --hex.

import { mvccpb, rpcpb } from "#proto";
import { hexBytes, hexId, leaseHex } from "./go-format.js";
import type { Output, OutputOf, Printer, Streams } from "./output.js";
import { type Cells, hashCells, memberCells, statusCells } from "./tables.js";

const NEWLINE = "\n";

export class SimplePrinter implements Printer {
  private readonly hex: boolean;
  private readonly valueOnly: boolean;

  constructor(hex: boolean, valueOnly = false) {
    this.hex = hex;
    this.valueOnly = valueOnly;
  }

  print(output: Output, to: Streams): void {
    switch (output.kind) {
      case "get":
        return this.kvs(output.response.kvs, to);
      case "put":
        return this.put(output.response, to);
      case "del":
        return this.del(output.response, to);
      case "txn":
        return this.txn(output.response, to);
      case "watch":
        return this.watch(output, to);
      case "lease timetolive":
        return timeToLive(output, to);
      case "lease list":
        return leases(output, to);
      case "endpoint health":
        return health(output, to);
      case "endpoint status":
        return rows(statusCells(output), to);
      case "endpoint hashkv":
        return rows(hashCells(output), to);
      case "member list":
        return rows(memberCells(output), to);
      default:
        return to.out(sentences(output));
    }
  }

  private kvs(kvs: readonly mvccpb.KeyValue[], to: Streams): void {
    for (const kv of kvs) this.kv(kv, to);
  }

  private kv(kv: mvccpb.KeyValue, to: Streams): void {
    if (!this.valueOnly) this.bytes(kv.key, to);
    this.bytes(kv.value, to);
  }

  private bytes(bytes: Uint8Array, to: Streams): void {
    to.out(this.hex ? hexBytes(bytes) : bytes);
    to.out(NEWLINE);
  }

  private put(response: rpcpb.PutResponse, to: Streams): void {
    to.out("OK\n");
    if (response.prevKv !== undefined) this.kv(response.prevKv, to);
  }

  private del(response: rpcpb.DeleteRangeResponse, to: Streams): void {
    to.out(`${response.deleted}\n`);
    this.kvs(response.prevKvs, to);
  }

  private txn(response: rpcpb.TxnResponse, to: Streams): void {
    to.out(response.succeeded ? "SUCCESS\n" : "FAILURE\n");
    for (const { response: answer } of response.responses) {
      to.out(NEWLINE);
      if (answer.case === "responseRange") this.kvs(answer.value.kvs, to);
      else if (answer.case === "responsePut") this.put(answer.value, to);
      else if (answer.case === "responseDeleteRange") this.del(answer.value, to);
      else to.out("unexpected response\n");
    }
  }

  private watch({ response }: OutputOf<"watch">, to: Streams): void {
    for (const event of response.events ?? []) {
      to.out(`${mvccpb.Event_EventType[event.type]}\n`);
      if (event.prevKv !== undefined) this.kv(event.prevKv, to);
      if (event.kv !== undefined) this.kv(event.kv, to);
    }
  }
}

type Sentence = Exclude<
  Output["kind"],
  | "get"
  | "put"
  | "del"
  | "txn"
  | "watch"
  | "lease timetolive"
  | "lease list"
  | `endpoint ${string}`
  | "member list"
>;

function sentences(output: OutputOf<Sentence>): string {
  switch (output.kind) {
    case "lease grant":
      return `lease ${leaseHex(output.response.ID)} granted with TTL(${output.response.TTL}s)\n`;
    case "lease revoke":
      return `lease ${leaseHex(output.id)} revoked\n`;
    case "lease keep-alive":
      return `lease ${leaseHex(output.response.ID)} keepalived with TTL(${output.response.TTL})\n`;
    case "member add": {
      const as = output.response.member?.isLearner ? " as learner " : " ";
      const cluster = padded(output.response.header?.clusterId ?? 0n);
      return `Member ${padded(output.response.member?.ID ?? 0n)} added${as}to cluster ${cluster}\n`;
    }
    case "member change": {
      const where = { removed: "from", updated: "in", promoted: "in" }[output.change];
      const cluster = padded(output.response.header?.clusterId ?? 0n);
      return `Member ${padded(output.id)} ${output.change} ${where} cluster ${cluster}\n`;
    }
    case "alarm":
      return output.response.alarms
        .map((one) => `memberID:${one.memberID} alarm:${rpcpb.AlarmType[one.alarm]}\n`)
        .join("");
    case "move-leader":
      return `Leadership transferred from ${hexId(output.from)} to ${hexId(output.to)}\n`;
  }
}

function padded(id: bigint): string {
  return hexId(id).padStart(16);
}

function timeToLive({ response: r, keys }: OutputOf<"lease timetolive">, to: Streams): void {
  const lease = `lease ${leaseHex(r.ID)}`;
  if (r.grantedTTL === 0n && r.TTL === -1n) return to.out(`${lease} already expired\n`);
  to.out(`${lease} granted with TTL(${r.grantedTTL}s), remaining(${r.TTL}s)`);
  if (keys) {
    to.out(", attached keys([");
    r.keys.forEach((key, i) => {
      if (i > 0) to.out(" ");
      to.out(key);
    });
    to.out("])");
  }
  to.out(NEWLINE);
}

function leases({ response }: OutputOf<"lease list">, to: Streams): void {
  to.out(`found ${response.leases.length} leases\n`);
  for (const lease of response.leases) to.out(`${leaseHex(lease.ID)}\n`);
}

function health({ endpoints }: OutputOf<"endpoint health">, to: Streams): void {
  for (const one of endpoints) {
    if (one.error === "") {
      to.out(`${one.endpoint} is healthy: successfully committed proposal: took = ${one.took}\n`);
    } else {
      to.err(`${one.endpoint} is unhealthy: failed to commit proposal: ${one.error}\n`);
    }
  }
}

function rows(cells: Cells, to: Streams): void {
  for (const row of cells.rows) to.out(`${row.join(", ")}\n`);
}
