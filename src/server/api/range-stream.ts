// KV.RangeStream (etcd 3.7): a range in messages of bounded size, all at one revision. The next message is made when the
// transport has room for it, so a scan of everything holds one message in memory.

import { WireWriter } from "#base";
import type { RangeStream } from "#mvcc";
import type { RangeRequest, RpcError } from "#proto";
import type { Member } from "../member.js";
import { ReadWaiter } from "../reads.js";
import { failWith, type StreamCall, type StreamObserver } from "./call.js";

const TAG_RANGE_RESPONSE = 0x0a;

export class RangeStreamSession extends ReadWaiter implements StreamObserver {
  private readonly member: Member;
  private readonly call: StreamCall;
  private readonly request: RangeRequest;
  private stream: RangeStream | undefined;
  private done = false;
  private readonly body = new WireWriter(4096);
  private readonly out = new WireWriter(4096);
  private readonly runNext = (): void => this.next();

  constructor(member: Member, call: StreamCall, request: RangeRequest) {
    super();
    this.member = member;
    this.call = call;
    this.request = request;
    if (request.serializable) this.onReady();
    else member.linearizableRead(this);
  }

  onReady(): void {
    if (this.call.cancelled) return;
    this.stream = this.member.store.openRangeStream(this.request, this.member.config.maxRequestBytes);
    this.next();
  }

  onFailed(error: RpcError): void {
    if (!this.call.cancelled) failWith(this.call, error);
  }

  onMessage(): void {
    // The request was the one message.
  }

  onHalfClose(): void {
    // Expected right after the request.
  }

  onCancel(): void {
    this.done = true;
  }

  onDrain(): void {
    this.next();
  }

  private next(): void {
    const { stream, body, out } = this;
    if (this.done || stream === undefined) return;
    body.reset();
    const error = stream.next(body);
    if (error !== undefined) {
      this.done = true;
      return failWith(this.call, error);
    }
    const header = new WireWriter(64);
    if (stream.done) this.member.writeHeader(header, stream.headerRevision);
    out.reset();
    out.byte(TAG_RANGE_RESPONSE);
    out.varint(header.length + body.length);
    out.raw(header.view());
    out.raw(body.view());
    const room = this.call.send(out.view());
    if (stream.done) {
      this.done = true;
      this.call.end();
    } else if (room) this.member.clock.setNext(this.runNext);
  }
}
