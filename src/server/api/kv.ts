// etcdserverpb.KV. Hot: range and put (bench: `npm run bench`). Reads that this member may answer from its own state are
// answered within the call, straight from the client's bytes; the others keep a copy of the request until leadership
// is confirmed.

import { toBinary } from "@bufbuild/protobuf";
import { copyBytes, WireWriter } from "#base";
import {
  checkDelete,
  checkPut,
  checkRange,
  checkTxn,
  isTxnReadOnly,
  isTxnSerializable,
  putCost,
  type RangeReader,
  rangeStreamRefusal,
  txnCost,
} from "#mvcc";
import {
  decodeDeleteRangeRequest,
  decodePutHead,
  decodeRangeRequest,
  decodeTxnRequest,
  ErrNoSpace,
  ErrTooManyOps,
  PutHead,
  type RangeRequest,
  type RpcError,
  rpcpb,
  StatusCode,
  type TxnRequest,
} from "#proto";
import { READONLY_TXN } from "../call-times.js";
import { RANGE_SLICE_BYTES, RANGE_SLICE_KEYS } from "../limits.js";
import type { Member } from "../member.js";
import { ReadWaiter } from "../reads.js";
import { Operation } from "../request.js";
import type { EntryOutcome } from "../waiters.js";
import { failWith, type StreamCall, type StreamObserver, type UnaryCall } from "./call.js";
import { decodeMessage } from "./decode.js";
import { RangeStreamSession } from "./range-stream.js";
import { WriteReply } from "./write-reply.js";

/** Responses larger than this give their buffer back afterwards. */
const SCRATCH_BYTES_KEPT = 1024 * 1024;

/** Of the put that is being checked. */
const putHead = new PutHead();

export class KvService {
  private readonly member: Member;
  private scratch = new WireWriter(64 * 1024);

  constructor(member: Member) {
    this.member = member;
  }

  range(call: UnaryCall, message: Uint8Array): void {
    const request = decodeRangeRequest(message, 0, message.length);
    const refusal = checkRange(request);
    if (refusal !== undefined) return failWith(call, refusal);
    if (request.serializable || this.member.readableNow) return this.serveRange(call, request);
    // The message is gone after this call; the read may have to wait.
    const kept = decodeRangeRequest(copyBytes(message));
    this.member.linearizableRead(new RangeRead(this, call, kept));
  }

  /** Answers from local state: at once if the range is short, in slices if it is long. */
  serveRange(call: UnaryCall, request: RangeRequest): void {
    const { member } = this;
    const single = request.rangeEnd.length === 0;
    if (!single && (request.limit === 0 || request.limit > RANGE_SLICE_KEYS))
      return this.serveLongRange(call, request);
    const out = this.begin();
    const error = member.store.range(request, out);
    if (error !== undefined) return failWith(call, error);
    call.reply(out.view());
  }

  private serveLongRange(call: UnaryCall, request: RangeRequest): void {
    const out = new WireWriter(64 * 1024);
    this.member.writeHeader(out);
    const reader = this.member.store.openRange(request, out);
    if (reader.error !== undefined) return failWith(call, reader.error);
    new SlicedRange(this.member, call, reader, out).run();
  }

  rangeStream(call: StreamCall, message: Uint8Array): StreamObserver | undefined {
    const request = decodeRangeRequest(copyBytes(message));
    const refusal = checkRange(request);
    if (refusal !== undefined) failWith(call, refusal);
    else {
      const unsupported = rangeStreamRefusal(request);
      if (unsupported === undefined) return new RangeStreamSession(this.member, call, request);
      call.fail(StatusCode.Unimplemented, unsupported);
    }
    return undefined;
  }

  put(call: UnaryCall, message: Uint8Array): void {
    const head = decodePutHead(message, 0, message.length, putHead);
    const refusal = this.overQuota(putCost(head)) ?? checkPut(head);
    if (refusal !== undefined) return failWith(call, refusal);
    this.member.propose(Operation.Put, message, new WriteReply(call, this.member));
  }

  deleteRange(call: UnaryCall, message: Uint8Array): void {
    const refusal = checkDelete(decodeDeleteRangeRequest(message, 0, message.length));
    if (refusal !== undefined) return failWith(call, refusal);
    this.member.propose(Operation.DeleteRange, message, new WriteReply(call, this.member));
  }

  txn(call: UnaryCall, message: Uint8Array): void {
    const request = decodeTxnRequest(message, 0, message.length);
    if (request === undefined) return failWith(call, ErrTooManyOps);
    const refusal = this.overQuota(txnCost(request)) ?? checkTxn(request, this.member.config.maxTxnOps);
    if (refusal !== undefined) return failWith(call, refusal);
    if (isTxnReadOnly(request)) call.context = READONLY_TXN;
    else {
      return this.member.propose(Operation.Txn, message, new WriteReply(call, this.member));
    }
    if (isTxnSerializable(request) || this.member.readableNow) return this.serveTxn(call, request);
    const kept = decodeTxnRequest(copyBytes(message));
    if (kept !== undefined) this.member.linearizableRead(new TxnRead(this, call, kept));
  }

  /** A transaction that only reads needs no log entry. */
  serveTxn(call: UnaryCall, request: TxnRequest): void {
    const out = this.begin();
    const { error } = this.member.store.applyTxn(request, out);
    if (error !== undefined) return failWith(call, error);
    call.reply(out.view());
  }

  compact(call: UnaryCall, message: Uint8Array): void {
    const request = decodeMessage(rpcpb.CompactionRequestSchema, message);
    this.member.propose(
      Operation.Compaction,
      // Encoded anew: what enters the log is read the same by every member.
      toBinary(rpcpb.CompactionRequestSchema, request),
      request.physical
        ? new PhysicalCompaction(call, this.member, Number(request.revision))
        : new WriteReply(call, this.member),
    );
  }

  private overQuota(cost: number): RpcError | undefined {
    if (!this.member.quota.exceededBy(cost)) return undefined;
    this.member.raiseNoSpace();
    return ErrNoSpace;
  }

  /** A fresh response with its header. */
  private begin(): WireWriter {
    if (this.scratch.buf.length > SCRATCH_BYTES_KEPT) this.scratch = new WireWriter(64 * 1024);
    this.scratch.reset();
    this.member.writeHeader(this.scratch);
    return this.scratch;
  }
}

class RangeRead extends ReadWaiter {
  private readonly service: KvService;
  private readonly call: UnaryCall;
  private readonly request: RangeRequest;

  constructor(service: KvService, call: UnaryCall, request: RangeRequest) {
    super();
    this.service = service;
    this.call = call;
    this.request = request;
  }

  onReady(): void {
    if (!this.call.cancelled) this.service.serveRange(this.call, this.request);
  }

  onFailed(error: RpcError): void {
    if (!this.call.cancelled) failWith(this.call, error);
  }
}

class TxnRead extends ReadWaiter {
  private readonly service: KvService;
  private readonly call: UnaryCall;
  private readonly request: TxnRequest;

  constructor(service: KvService, call: UnaryCall, request: TxnRequest) {
    super();
    this.service = service;
    this.call = call;
    this.request = request;
  }

  onReady(): void {
    if (!this.call.cancelled) this.service.serveTxn(this.call, this.request);
  }

  onFailed(error: RpcError): void {
    if (!this.call.cancelled) failWith(this.call, error);
  }
}

/** A long range, a slice per round of the event loop. */
class SlicedRange {
  private readonly member: Member;
  private readonly call: UnaryCall;
  private readonly reader: RangeReader;
  private readonly out: WireWriter;
  private readonly runSlice = (): void => this.run();

  constructor(member: Member, call: UnaryCall, reader: RangeReader, out: WireWriter) {
    this.member = member;
    this.call = call;
    this.reader = reader;
    this.out = out;
  }

  run(): void {
    if (this.call.cancelled) return this.reader.close();
    if (!this.reader.step(RANGE_SLICE_KEYS, RANGE_SLICE_BYTES))
      return this.member.clock.setNext(this.runSlice);
    if (this.reader.error !== undefined) return failWith(this.call, this.reader.error);
    this.call.reply(this.out.view());
  }
}

/** Answers a compaction once everything below its revision is deleted. */
class PhysicalCompaction extends WriteReply {
  private readonly revision: number;

  constructor(call: UnaryCall, member: Member, revision: number) {
    super(call, member);
    this.revision = revision;
  }

  override onApplied(outcome: EntryOutcome): void {
    if (outcome.error !== undefined) return super.onApplied(outcome);
    const { revision } = outcome;
    this.member.compaction.onceFinished(this.revision, () => this.answer(revision));
  }
}
