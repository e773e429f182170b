// Watches as their users see them: an endless sequence of responses, until closed, compacted away or refused. How many
// of them share a stream, and what happens when it breaks, is in watch-stream.ts.

import { type ResponseHeader, rpcpb } from "#proto";
import type { Caller } from "./caller.js";
import { canceled } from "./errors.js";
import type { WatchEvent } from "./messages.js";
import { Queue } from "./queue.js";
import { type BytesLike, type RangeOptions, rangeOf } from "./range.js";
import { WatchStream } from "./watch-stream.js";

export interface WatchOptions extends RangeOptions {
  /** First revision to tell of; absent or 0: what comes after now. */
  startRevision?: number;
  /** Deliver also what was there before each event. */
  prevKv?: boolean;
  /** Events that are not wanted. */
  filters?: readonly ("put" | "delete")[];
  /** Tell the revision now and then when nothing happens. */
  progressNotify?: boolean;
  /** Deliver also the server's answer to the creation: a response without events, `created` set. */
  createdNotify?: boolean;
  /** Let the server cut large responses; they are put together again here. */
  fragment?: boolean;
  /** End with an error when the member loses its leader, instead of waiting silently. */
  requireLeader?: boolean;
}

export interface WatchResponse {
  header: ResponseHeader;
  /** In the order of revisions; those of one revision are together. */
  events: WatchEvent[];
  created: boolean;
  /** Without events: all events up to and including `header.revision` have been delivered. */
  progress: boolean;
}

/** Responses held for a reader before its stream is told to pause. */
const QUEUE_HIGH = 1024;

/**
 * One watch. Iterate it; leaving the loop closes it. The iteration throws a WatchCanceledError when the server ended the
 * watch (`compactRevision` not 0: the start revision has been compacted), or an EtcdError when the stream failed for good.
 */
export class Watcher implements AsyncIterable<WatchResponse> {
  readonly request: rpcpb.WatchCreateRequest;
  readonly options: Readonly<WatchOptions>;
  private readonly queue = new Queue<WatchResponse>();
  private readonly stream: WatchStream;
  private closed = false;

  constructor(stream: WatchStream, request: rpcpb.WatchCreateRequest, options: WatchOptions) {
    this.stream = stream;
    this.request = request;
    this.options = options;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** More is waiting to be read than should be. */
  get isCongested(): boolean {
    return this.queue.length >= QUEUE_HIGH;
  }

  /** Ends the watch. Responses that are there already can still be read. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.queue.end();
    this.stream.remove(this);
  }

  deliver(response: WatchResponse): void {
    if (!this.closed) this.queue.push(response);
  }

  /** The server's last word on this watch. */
  fail(error: Error): void {
    if (this.closed) return;
    this.closed = true;
    this.queue.end(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchResponse, void> {
    try {
      for (;;) {
        const response = await this.queue.take();
        if (response === undefined) return;
        if (this.queue.length === 0) this.stream.drained();
        yield response;
      }
    } finally {
      this.close();
    }
  }
}

export class WatchClient {
  private readonly caller: Caller;
  /** A stream for each set of metadata: with and without `requireLeader`. */
  private readonly streams = new Map<boolean, WatchStream>();
  private closed = false;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** Starts to watch a key or a range. Survives the loss of connections without losing or repeating events. */
  create(key: BytesLike, options: WatchOptions = {}): Watcher {
    if (this.closed) throw canceled();
    const range = rangeOf(key, options);
    const stream = this.streamFor(options.requireLeader === true);
    const request = stream.request({
      key: range.key,
      rangeEnd: range.end,
      startRevision: BigInt(options.startRevision ?? 0),
      prevKv: options.prevKv ?? false,
      progressNotify: options.progressNotify ?? false,
      fragment: options.fragment ?? false,
      filters: (options.filters ?? []).map((type) => (type === "put" ? FILTER.NOPUT : FILTER.NODELETE)),
    });
    const watcher = new Watcher(stream, request, options);
    stream.add(watcher);
    return watcher;
  }

  /** Asks for a progress response (`progress` set) to every watch; none comes while one of them is catching up. */
  requestProgress(options: { requireLeader?: boolean } = {}): void {
    this.streamFor(options.requireLeader === true).requestProgress();
  }

  close(): void {
    this.closed = true;
    for (const stream of this.streams.values()) stream.close();
  }

  private streamFor(requireLeader: boolean): WatchStream {
    const existing = this.streams.get(requireLeader);
    if (existing !== undefined) return existing;
    const stream = new WatchStream(this.caller, requireLeader);
    this.streams.set(requireLeader, stream);
    return stream;
  }
}

const FILTER = rpcpb.WatchCreateRequest_FilterType;
