// Calls of clients: through the network to a member's services and back. Requests and replies are delayed and lost; a
// member that dies breaks the connections of those that wait for it; a client that has waited long enough gives up and
// never learns what became of its call.

import { type RpcError, StatusCode } from "#proto";
import type { Services } from "#server";
import { type Answer, SimStream, SimUnaryCall, scribble } from "./calls.js";
import { EventKind, type SimEvent } from "./event-queue.js";
import type { Op, OperationRecord, Outcome } from "./history.js";
import type { Host } from "./host.js";
import type { Life } from "./life.js";
import type { Network } from "./network.js";
import type { Recorder } from "./recorder.js";
import { encodeRequest } from "./requests.js";
import { decodeResult } from "./results.js";
import type { World } from "./world.js";

/** Codes that say that the request was understood and refused: it has no effect, now or later. */
const REFUSALS: ReadonlySet<number> = new Set([
  StatusCode.InvalidArgument,
  StatusCode.NotFound,
  StatusCode.AlreadyExists,
  StatusCode.PermissionDenied,
  StatusCode.ResourceExhausted,
  StatusCode.FailedPrecondition,
  StatusCode.OutOfRange,
  StatusCode.Unimplemented,
]);

const PENDING: Outcome = { kind: "unknown", reason: "no answer" };

export class Caller {
  /** Calls that have not ended. */
  open = 0;
  /** Calls of which a message was lost. */
  readonly lost = new Set<Attempt>();
  private readonly world: World;
  private readonly network: Network;
  private readonly recorder: Recorder;

  constructor(world: World, network: Network, recorder: Recorder) {
    this.world = world;
    this.network = network;
    this.recorder = recorder;
  }

  /** Calls a member; `done` follows exactly once. */
  call(client: number, host: Host, op: Op, timeoutMs: number, done: (record: OperationRecord) => void): void {
    const record = this.begin(client, host, op);
    const attempt = new Attempt(this, record, timeoutMs, done);
    attempt.start(host, encodeRequest(op));
  }

  /** Connections on which something was lost are given up now, as after a reset. */
  resetLost(): void {
    for (const attempt of this.lost) attempt.onReset();
    this.lost.clear();
  }

  /** Notes a call that is made in some other way; to be ended by `end`. */
  begin(client: number, host: Host, op: Op): OperationRecord {
    const { world, recorder } = this;
    const { operations } = recorder.history;
    const record: OperationRecord = {
      id: operations.length,
      client,
      member: host.place,
      op,
      calledAt: world.now,
      returnedAt: Number.POSITIVE_INFINITY,
      outcome: PENDING,
    };
    operations.push(record);
    this.open++;
    world.say(() => `c${client} -> m${host.place} #${record.id} ${describeOp(op)}`);
    return record;
  }

  end(record: OperationRecord, outcome: Outcome): void {
    const { world } = this;
    this.open--;
    record.returnedAt = world.now;
    record.outcome = outcome;
    world.trace.mix(record.id, outcome.kind.length);
    world.say(() => `c${record.client} #${record.id} ${describeOutcome(outcome)}`);
  }

  get parts(): { world: World; network: Network; recorder: Recorder } {
    return { world: this.world, network: this.network, recorder: this.recorder };
  }
}

/** One call on its way. */
class Attempt {
  private readonly caller: Caller;
  private readonly world: World;
  private readonly network: Network;
  private readonly record: OperationRecord;
  private readonly done: (record: OperationRecord) => void;
  private readonly timer: SimEvent;
  private unary: SimUnaryCall | undefined;
  private stream: SimStream | undefined;
  private isOver = false;

  constructor(
    caller: Caller,
    record: OperationRecord,
    timeoutMs: number,
    done: (record: OperationRecord) => void,
  ) {
    this.caller = caller;
    this.world = caller.parts.world;
    this.network = caller.parts.network;
    this.record = record;
    this.done = done;
    this.timer = this.world.after(timeoutMs, EventKind.Client, () => this.giveUp());
  }

  start(host: Host, message: Uint8Array): void {
    if (this.network.losesClientMessage()) return void this.caller.lost.add(this);
    this.world.after(this.network.clientDelay(), EventKind.Request, () => this.arrive(host, message));
  }

  private arrive(host: Host, message: Uint8Array): void {
    const { life } = host;
    if (life === undefined) return this.refused();
    this.world.after(0, EventKind.Request, () => this.serve(life, message), life);
    life.onOver.push(() => this.onReset());
  }

  private serve(life: Life, message: Uint8Array): void {
    const { services } = life;
    if (services === undefined) return this.refused();
    if (this.record.op.type === "leaseKeepAlive") return this.openKeepAlive(life, services, message);
    const call = new SimUnaryCall(life, (answer) => this.answered(life, answer));
    this.unary = call;
    dispatch(services, this.record.op, call, message);
    scribble(message);
  }

  private openKeepAlive(life: Life, services: Services, message: Uint8Array): void {
    const stream = new SimStream(this.world, this.network, life, {
      onMessage: (bytes) => {
        this.finish({ kind: "ok", result: decodeResult(this.record.op, bytes) });
        stream.halfClose();
      },
      onEnd: (reason, text) => {
        if (reason === "server") this.finish(errorOutcome(Number.parseInt(text, 10) || 0, text));
        else this.finish({ kind: "unknown", reason: "connection lost" });
      },
    });
    this.stream = stream;
    stream.observer = services.lease.keepAlive(stream);
    stream.observer.onMessage(message);
    scribble(message);
  }

  /** The member has answered; the answer is on its way. */
  private answered(life: Life, answer: Answer): void {
    if (this.network.losesClientMessage()) return void this.caller.lost.add(this);
    const busy = Math.max(0, life.busyUntil - this.world.now);
    this.world.after(busy + this.network.clientDelay(), EventKind.Reply, () => {
      if (this.isOver) return;
      this.finish(
        answer.ok
          ? { kind: "ok", result: decodeResult(this.record.op, answer.message) }
          : errorOutcome(answer.code, answer.text),
      );
    });
  }

  private refused(): void {
    const outcome: Outcome = {
      kind: "error",
      code: StatusCode.Unavailable,
      message: REFUSED,
      isDefinite: true,
    };
    this.world.after(this.network.clientDelay(), EventKind.Reply, () => this.finish(outcome));
  }

  onReset(): void {
    if (this.isOver) return;
    const outcome: Outcome = { kind: "unknown", reason: "connection lost" };
    this.world.after(this.network.clientDelay(), EventKind.Reply, () => this.finish(outcome));
  }

  private giveUp(): void {
    if (this.unary !== undefined) this.unary.cancelled = true;
    this.stream?.cancel();
    this.finish({ kind: "unknown", reason: "timed out" });
  }

  private finish(outcome: Outcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.caller.lost.delete(this);
    this.world.cancel(this.timer);
    this.caller.end(this.record, outcome);
    this.done(this.record);
  }
}

/** Nobody listens there. */
export const REFUSED = "connection refused";

export function errorOutcome(code: number, message: string): Outcome {
  return { kind: "error", code, message, isDefinite: REFUSALS.has(code) };
}

export function rowOutcome(error: RpcError): Outcome {
  return errorOutcome(error.code, error.message);
}

function dispatch(services: Services, op: Op, call: SimUnaryCall, message: Uint8Array): void {
  const { kv, lease, maintenance, cluster } = services;
  switch (op.type) {
    case "put":
      return kv.put(call, message);
    case "delete":
      return kv.deleteRange(call, message);
    case "range":
      return kv.range(call, message);
    case "txn":
      return kv.txn(call, message);
    case "compact":
      return kv.compact(call, message);
    case "leaseGrant":
      return lease.grant(call, message);
    case "leaseRevoke":
      return lease.revoke(call, message);
    case "leaseTimeToLive":
      return lease.timeToLive(call, message);
    case "leaseLeases":
      return lease.leases(call, message);
    case "alarm":
      return maintenance.alarm(call, message);
    case "defragment":
      return maintenance.defragment(call, message);
    case "hashKv":
      return maintenance.hashKv(call, message);
    case "memberList":
      return cluster.memberList(call, message);
    default:
      throw new Error(`no service for ${op.type}`);
  }
}

export function describeOp(op: Op): string {
  return JSON.stringify(op, (_key, value: unknown) => {
    if (typeof value === "bigint") return value.toString(16);
    return value === 0 || value === false || value === "" ? undefined : value;
  });
}

export function describeOutcome(outcome: Outcome): string {
  if (outcome.kind === "unknown") return `unknown: ${outcome.reason}`;
  if (outcome.kind === "error") return `error ${outcome.code} ${outcome.message}`;
  const text = JSON.stringify(outcome.result, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString(16) : value,
  );
  return `ok ${text.length > 400 ? `${text.slice(0, 400)}…` : text}`;
}
