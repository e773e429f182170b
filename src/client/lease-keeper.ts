// Keeping leases alive: one stream for all of them. Each lease is renewed when a third of its TTL has passed since the last
// answer; one timer looks twice a second. When the stream breaks it is opened again and every lease is renewed at once. A
// lease that could not be renewed within its TTL is given up, because by then the server may have ended it.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ErrLeaseNotFound, type LeaseId, type ResponseHeader, rpcpb } from "#proto";
import { type Caller, pathOf } from "./caller.js";
import type { CallOptions } from "./config.js";
import { canceled, EtcdError, errorOf } from "./errors.js";
import { headerOf } from "./messages.js";
import { Queue } from "./queue.js";
import type { ClientStream, StreamObserver } from "./transport.js";

const TICK_MS = 500;
/** Time until the first answer, while the TTL is not known. */
const FIRST_TIMEOUT_MS = 5000;
/** Answers held for a reader that does not read; older ones are dropped. */
const ANSWERS_MAX = 16;
const PATH = pathOf(rpcpb.Lease.method.leaseKeepAlive);

export interface KeepAliveResponse {
  header: ResponseHeader;
  id: LeaseId;
  /** Seconds the lease has from now. */
  ttl: number;
}

/** A lease being kept. Iterate it to hear of renewals; leaving the loop ends the keeping. */
export class LeaseKeepAlive implements AsyncIterable<KeepAliveResponse> {
  readonly id: LeaseId;
  /** Settles when the keeping has ended, for whatever reason. */
  readonly ended: Promise<void>;
  private readonly answers = new Queue<KeepAliveResponse>(ANSWERS_MAX);
  private readonly onClose: (lease: LeaseKeepAlive) => void;
  private settle: () => void = () => {};
  private done = false;

  constructor(id: LeaseId, onClose: (lease: LeaseKeepAlive) => void) {
    this.id = id;
    this.onClose = onClose;
    this.ended = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  /** Stops renewing. The lease lives on until its TTL has passed. */
  close(): void {
    if (this.done) return;
    this.done = true;
    this.answers.end();
    this.settle();
    this.onClose(this);
  }

  deliver(answer: KeepAliveResponse): void {
    if (!this.done) this.answers.push(answer);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<KeepAliveResponse, void> {
    try {
      for (;;) {
        const answer = await this.answers.take();
        if (answer === undefined) return;
        yield answer;
      }
    } finally {
      this.close();
    }
  }
}

/** One lease and all who asked for it to be kept. */
interface KeptLease {
  readonly handles: Set<LeaseKeepAlive>;
  nextSend: number;
  deadline: number;
}

export class LeaseKeeper implements StreamObserver {
  private readonly caller: Caller;
  private readonly kept = new Map<LeaseId, KeptLease>();
  private stream: ClientStream | undefined;
  private opening = false;
  private retryAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  keep(id: LeaseId): LeaseKeepAlive {
    if (this.closed) throw canceled();
    const handle = new LeaseKeepAlive(id, (gone) => this.drop(gone));
    const now = performance.now();
    const lease = this.kept.get(id);
    if (lease !== undefined) lease.handles.add(handle);
    else this.kept.set(id, { handles: new Set([handle]), nextSend: now, deadline: now + FIRST_TIMEOUT_MS });
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
    this.tick();
    return handle;
  }

  close(): void {
    this.closed = true;
    for (const lease of [...this.kept.values()]) end(lease);
    this.stop();
  }

  onMessage(message: Uint8Array): void {
    const response = fromBinary(rpcpb.LeaseKeepAliveResponseSchema, message);
    const lease = this.kept.get(response.ID);
    if (lease === undefined) return;
    const ttl = Number(response.TTL);
    if (ttl <= 0) return end(lease);
    const now = performance.now();
    lease.nextSend = now + (ttl * 1000) / 3;
    lease.deadline = now + ttl * 1000;
    const answer = { header: headerOf(response.header), id: response.ID, ttl };
    for (const handle of lease.handles) handle.deliver(answer);
  }

  onEnd(): void {
    this.stream = undefined;
    this.retryAt = performance.now() + TICK_MS;
    for (const lease of this.kept.values()) lease.nextSend = 0;
  }

  private tick(): void {
    const now = performance.now();
    for (const lease of [...this.kept.values()]) if (now > lease.deadline) end(lease);
    if (this.kept.size === 0) return;
    if (this.stream === undefined) {
      if (now >= this.retryAt) void this.open();
      return;
    }
    for (const [id, lease] of this.kept) {
      if (now < lease.nextSend) continue;
      lease.nextSend = now + TICK_MS;
      this.stream.send(encode(id));
    }
  }

  private async open(): Promise<void> {
    if (this.opening) return;
    this.opening = true;
    try {
      const stream = await this.caller.stream(PATH, this, { timeoutMs: undefined, signal: undefined });
      if (this.kept.size === 0) return stream.cancel();
      this.stream = stream;
      this.tick();
    } catch (error) {
      // Leases whose time runs out meanwhile end by their deadlines; the next tick tries again.
      if (!(error instanceof EtcdError)) throw error;
      this.retryAt = performance.now() + TICK_MS;
    } finally {
      this.opening = false;
    }
  }

  private drop(handle: LeaseKeepAlive): void {
    const lease = this.kept.get(handle.id);
    if (lease === undefined) return;
    lease.handles.delete(handle);
    if (lease.handles.size > 0) return;
    this.kept.delete(handle.id);
    if (this.kept.size === 0) this.stop();
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.stream?.cancel();
    this.stream = undefined;
  }
}

function end(lease: KeptLease): void {
  for (const handle of [...lease.handles]) handle.close();
}

function encode(id: LeaseId): Uint8Array {
  return toBinary(rpcpb.LeaseKeepAliveRequestSchema, create(rpcpb.LeaseKeepAliveRequestSchema, { ID: id }));
}

/** One renewal on a stream of its own. */
export async function keepAliveOnce(
  caller: Caller,
  id: LeaseId,
  options: CallOptions,
): Promise<KeepAliveResponse> {
  const answer = await new Promise<Uint8Array>((resolve, reject) => {
    const observer: StreamObserver = {
      onMessage: resolve,
      onEnd: (failure) => reject(failure === undefined ? canceled() : errorOf(failure)),
    };
    caller.stream(PATH, observer, options).then((stream) => {
      stream.send(encode(id));
      stream.halfClose();
    }, reject);
  });
  const response = fromBinary(rpcpb.LeaseKeepAliveResponseSchema, answer);
  if (response.TTL <= 0n)
    throw new EtcdError(ErrLeaseNotFound.code, ErrLeaseNotFound.message, ErrLeaseNotFound);
  return { header: headerOf(response.header), id: response.ID, ttl: Number(response.TTL) };
}
