// etcdserverpb.Maintenance: what operators ask of one member. Work over the whole store runs beside the requests, in slices
// or on other threads.

import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Panic, WireWriter } from "#base";
import { ErrStopped, rpcpb, StatusCode } from "#proto";
import type { BackendView } from "#storage";
import { AlarmType } from "../alarms.js";
import { ETCD_VERSION } from "../config.js";
import {
  HASH_SLICE_RECORDS,
  SNAPSHOT_BLOB_BYTES,
  SNAPSHOT_PAUSE_MS,
  SNAPSHOT_TURN_BYTES,
} from "../limits.js";
import type { Member } from "../member.js";
import { Operation } from "../request.js";
import { failWith, type StreamCall, type StreamObserver, type UnaryCall } from "./call.js";
import { decodeMessage } from "./decode.js";
import { WriteReply } from "./write-reply.js";

const scratch = new WireWriter(1024);

export class MaintenanceService {
  private readonly member: Member;
  private readonly onDefragment: (running: boolean) => void;
  private defragmenting: Promise<void> | undefined;

  /** @param onDefragment hears when a defragmentation begins and ends */
  constructor(member: Member, onDefragment: (running: boolean) => void) {
    this.member = member;
    this.onDefragment = onDefragment;
  }

  status(call: UnaryCall, message: Uint8Array): void {
    decodeMessage(rpcpb.StatusRequestSchema, message);
    const { member } = this;
    const raft = member.driver.node.basicStatus();
    const errors = member.alarms.list(AlarmType.NONE).map((alarm) => {
      return `memberID:${alarm.memberId} alarm:${AlarmType[alarm.type]} `;
    });
    if (!member.hasLeader) errors.unshift("etcdserver: no leader");
    const body = toBinary(
      rpcpb.StatusResponseSchema,
      create(rpcpb.StatusResponseSchema, {
        version: ETCD_VERSION,
        dbSize: BigInt(member.backend.sizeOnDisk()),
        dbSizeInUse: BigInt(member.backend.sizeInUse()),
        dbSizeQuota: BigInt(member.quota.reported),
        leader: raft.leader,
        raftIndex: BigInt(raft.commit),
        raftTerm: BigInt(raft.term),
        raftAppliedIndex: BigInt(member.appliedIndex),
        isLearner: member.isLearner,
        storageVersion: member.cluster.storageVersion,
        downgradeInfo: create(rpcpb.DowngradeInfoSchema),
        errors,
      }),
    );
    this.answer(call, body);
  }

  alarm(call: UnaryCall, message: Uint8Array): void {
    const request = decodeMessage(rpcpb.AlarmRequestSchema, message);
    if (!isKnown(request)) return call.fail(StatusCode.Unknown, "etcdserver: unknown method");
    // Encoded anew: what enters the log is read the same by every member.
    const bytes = toBinary(rpcpb.AlarmRequestSchema, request);
    this.member.propose(Operation.Alarm, bytes, new WriteReply(call, this.member));
  }

  hash(call: UnaryCall, message: Uint8Array): void {
    decodeMessage(rpcpb.HashRequestSchema, message);
    const { clock, metrics } = this.member;
    const began = clock.now();
    withView(this.member, (view) => view.hash())
      .then((hash) => {
        metrics.hash.observe((clock.now() - began) / 1000);
        if (call.cancelled) return;
        this.answer(call, toBinary(rpcpb.HashResponseSchema, create(rpcpb.HashResponseSchema, { hash })));
      })
      .catch((error: unknown) => this.failed(call, error));
  }

  hashKv(call: UnaryCall, message: Uint8Array): void {
    const request = decodeMessage(rpcpb.HashKVRequestSchema, message);
    const { store, clock, metrics } = this.member;
    const began = clock.now();
    const reader = store.hashKv(Number(request.revision));
    // Older clients take the header's revision for the one that was hashed, whatever is written meanwhile.
    const { currentRevision } = store;
    const step = (): void => {
      if (call.cancelled) return reader.close();
      if (!reader.step(HASH_SLICE_RECORDS)) return clock.setNext(step);
      const { error, result } = reader;
      if (error !== undefined || result === undefined) return failWith(call, error ?? ErrStopped);
      metrics.hashRevision.observe((clock.now() - began) / 1000);
      const response = create(rpcpb.HashKVResponseSchema, {
        hash: result.hash,
        compactRevision: BigInt(result.compactRevision),
        hashRevision: BigInt(result.revision),
      });
      this.answer(call, toBinary(rpcpb.HashKVResponseSchema, response), currentRevision);
    };
    step();
  }

  snapshot(call: StreamCall, message: Uint8Array): StreamObserver {
    decodeMessage(rpcpb.SnapshotRequestSchema, message);
    return new SnapshotSession(this.member, call);
  }

  /** Calls that come while one is running share it. */
  defragment(call: UnaryCall, message: Uint8Array): void {
    decodeMessage(rpcpb.DefragmentRequestSchema, message);
    this.defragmenting ??= this.runDefragment();
    this.defragmenting.then(
      () => {
        if (!call.cancelled) call.reply(new Uint8Array(0));
      },
      (error: unknown) => this.failed(call, error),
    );
  }

  private async runDefragment(): Promise<void> {
    const { backend, clock, logger, metrics } = this.member;
    const began = clock.now();
    const before = backend.sizeOnDisk();
    logger.info("starting defragment", {});
    this.onDefragment(true);
    metrics.defragmentsInFlight++;
    try {
      await backend.defragment();
    } finally {
      metrics.defragmentsInFlight--;
      this.onDefragment(false);
      this.defragmenting = undefined;
    }
    const took = clock.now() - began;
    metrics.defragment.observe(took / 1000);
    logger.info("finished defragmenting directory", {
      "current-db-size-bytes-diff": backend.sizeOnDisk() - before,
      "current-db-size-bytes": backend.sizeOnDisk(),
      took: `${took.toFixed(3)}ms`,
    });
  }

  private answer(call: UnaryCall, body: Uint8Array, revision = 0): void {
    scratch.reset();
    this.member.writeHeader(scratch, revision);
    scratch.raw(body);
    call.reply(scratch.view());
  }

  private failed(call: UnaryCall, error: unknown): void {
    failCall(this.member, call, "maintenance request failed", error);
  }
}

/** Members of other kinds stop when the log tells them to do something unknown, or to raise an unknown alarm. */
function isKnown({ action, alarm }: rpcpb.AlarmRequest): boolean {
  const { ACTIVATE } = rpcpb.AlarmRequest_AlarmAction;
  if (rpcpb.AlarmRequest_AlarmAction[action] === undefined) return false;
  return action !== ACTIVATE || rpcpb.AlarmType[alarm] !== undefined;
}

async function withView<T>(member: Member, work: (view: BackendView) => Promise<T>): Promise<T> {
  const view = await member.backend.openView();
  member.metrics.openViews++;
  try {
    return await work(view);
  } finally {
    member.metrics.openViews--;
    await view.close();
  }
}

/** The caller hears what went wrong; if it was the database that is damaged, that is the end of the member too. */
function failCall(member: Member, call: UnaryCall | StreamCall, message: string, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  member.logger.warn(message, { error: text });
  if (!call.cancelled) call.fail(StatusCode.Unknown, text);
  if (error instanceof Panic) member.fail(error);
}

/** Maintenance.Snapshot: the database as a bbolt file in blobs, then its SHA-256. */
class SnapshotSession implements StreamObserver {
  private readonly member: Member;
  private readonly call: StreamCall;
  private cancelled = false;
  /** Whether the last blob left room for more. */
  private hasRoom = true;
  private readonly out = new WireWriter(SNAPSHOT_BLOB_BYTES + 64);
  /** Continues a sender that waits for room. */
  private resume: (() => void) | undefined;

  constructor(member: Member, call: StreamCall) {
    this.member = member;
    this.call = call;
    withView(member, (view) => this.run(view)).catch((error: unknown) => {
      failCall(member, call, "failed to send database snapshot to client", error);
    });
  }

  onMessage(): void {
    // The request is empty.
  }

  onHalfClose(): void {
    // Expected right after the request.
  }

  onCancel(): void {
    this.cancelled = true;
    this.onDrain();
  }

  onDrain(): void {
    const { resume } = this;
    this.resume = undefined;
    resume?.();
  }

  private async run(view: BackendView): Promise<void> {
    const { clock, logger, metrics } = this.member;
    const began = clock.now();
    const image = await view.exportImage();
    logger.info("sending database snapshot to client", { "total-bytes": image.size });
    const sum = createHash("sha256");
    let remaining = image.size;
    for await (const chunk of image.chunks) {
      for (let at = 0; at < chunk.length && !this.cancelled; at += SNAPSHOT_BLOB_BYTES) {
        const blob = chunk.subarray(at, Math.min(chunk.length, at + SNAPSHOT_BLOB_BYTES));
        sum.update(blob);
        remaining -= blob.length;
        const isEndOfTurn = (at + SNAPSHOT_BLOB_BYTES) % SNAPSHOT_TURN_BYTES === 0;
        if (!this.send(blob, remaining) || isEndOfTurn) await this.nextTurn();
      }
      if (this.cancelled) return;
      await new Promise<void>((resolve) => clock.setTimer(SNAPSHOT_PAUSE_MS, resolve));
    }
    this.send(sum.digest(), 0);
    const took = clock.now() - began;
    metrics.backendSnapshot.observe(took / 1000);
    logger.info("successfully sent database snapshot to client", {
      "total-bytes": image.size,
      took: `${took.toFixed(3)}ms`,
    });
    this.call.end();
  }

  /** Sends one blob. Returns whether there is room for more. */
  private send(blob: Uint8Array, remaining: number): boolean {
    const { out, member } = this;
    out.reset();
    if (remaining > 0) {
      out.byte(0x10);
      out.varint(remaining);
    }
    out.byte(0x1a);
    out.bytes(blob);
    const version = member.cluster.storageVersion;
    if (version !== "") {
      out.byte(0x22);
      out.string(version);
    }
    this.hasRoom = this.call.send(out.view());
    return this.hasRoom;
  }

  /** Goes on in a later round of the event loop, with room: a snapshot waits for the requests, not they for it. */
  private nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      if (this.hasRoom || this.cancelled) this.member.clock.setNext(resolve);
      else this.resume = resolve;
    });
  }
}
