// One gRPC stream that carries many watches, and its life after death.
//
// Creation: the server answers creations in the order of the requests, so the first watch that waits is the one an answer
// is for. (Ids cannot tell: a refused creation is answered with id -1.)
// Resuming: each watch remembers the revision after the last one it has delivered. When the stream breaks in a way that may
// heal (Unavailable, Internal), it is opened again with growing pauses and every watch is created anew from there, with the
// same filters. Fragments of a response that was cut off are thrown away: the resumed watch brings it again. A status that
// will not heal ends all watches with an error.
// Pausing: readers that do not read must not fill the memory, so a congested watch pauses the whole stream until it is read.

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Ring } from "#base";
import { ErrCompacted, ErrFutureRev, ErrNoLeader, rpcpb, StatusCode } from "#proto";
import { type Caller, pathOf } from "./caller.js";
import { canceled, EtcdError, errorOf, rowOf, WatchCanceledError } from "./errors.js";
import { eventOf, headerOf, type WatchEvent } from "./messages.js";
import type { CallFailure, ClientStream, StreamObserver } from "./transport.js";
import type { Watcher } from "./watch.js";

const PATH = pathOf(rpcpb.Watch.method.watch);
const REOPEN_MS_MIN = 10;
const REOPEN_MS_MAX = 100;
const NO_ID = -1n;

class Entry {
  readonly watcher: Watcher;
  id = NO_ID;
  /** Revision that the next delivery starts from; 0: from the moment of creation. */
  nextRevision: bigint;
  /** Whether the user has been told that the watch exists. */
  announced = false;
  fragments: WatchEvent[] = [];

  constructor(watcher: Watcher) {
    this.watcher = watcher;
    this.nextRevision = watcher.request.startRevision;
  }
}

export class WatchStream implements StreamObserver {
  private readonly caller: Caller;
  private readonly requireLeader: boolean;
  private readonly entries = new Map<Watcher, Entry>();
  private readonly byId = new Map<bigint, Entry>();
  /** Creations sent and not answered; undefined for a watch that was closed meanwhile. */
  private readonly pending = new Ring<Entry>();
  private stream: ClientStream | undefined;
  private opening = false;
  private paused = false;
  private reopenMs = REOPEN_MS_MIN;
  private progressWanted = false;
  private closed = false;

  constructor(caller: Caller, requireLeader: boolean) {
    this.caller = caller;
    this.requireLeader = requireLeader;
  }

  request(init: MessageInitShape<typeof rpcpb.WatchCreateRequestSchema>): rpcpb.WatchCreateRequest {
    return create(rpcpb.WatchCreateRequestSchema, init);
  }

  add(watcher: Watcher): void {
    const entry = new Entry(watcher);
    this.entries.set(watcher, entry);
    if (this.stream !== undefined) this.sendCreate(entry);
    else void this.open();
  }

  remove(watcher: Watcher): void {
    const entry = this.entries.get(watcher);
    if (entry === undefined) return;
    this.forget(entry);
    if (entry.id !== NO_ID) this.sendCancel(entry.id);
    if (this.entries.size === 0) this.stop();
    else this.drained();
  }

  requestProgress(): void {
    if (this.stream === undefined) {
      this.progressWanted = true;
      void this.open();
      return;
    }
    this.send({ case: "progressRequest", value: {} });
  }

  /** A reader has caught up: go on reading if no other is behind. */
  drained(): void {
    if (!this.paused) return;
    for (const watcher of this.entries.keys()) if (watcher.isCongested) return;
    this.paused = false;
    this.stream?.resume();
  }

  close(): void {
    this.closed = true;
    this.failAll(canceled());
    this.stop();
  }

  onMessage(message: Uint8Array): void {
    this.reopenMs = REOPEN_MS_MIN;
    const response = fromBinary(rpcpb.WatchResponseSchema, message);
    if (response.created) return this.onCreated(response);
    // A manual progress report speaks for every watch of the stream.
    if (response.watchId === NO_ID && !response.canceled) {
      for (const entry of this.entries.values()) if (entry.id !== NO_ID) this.onEvents(entry, response);
      return;
    }
    const entry = this.byId.get(response.watchId);
    if (entry === undefined) return;
    if (response.canceled) this.onCanceled(entry, response);
    else this.onEvents(entry, response);
  }

  onEnd(failure: CallFailure | undefined): void {
    this.stream = undefined;
    this.paused = false;
    this.byId.clear();
    this.pending.clear();
    for (const entry of this.entries.values()) {
      entry.id = NO_ID;
      entry.fragments = [];
    }
    if (this.entries.size === 0) return;
    if (failure !== undefined && !mayHeal(failure)) return this.failAll(errorOf(failure));
    this.reopenLater();
  }

  private onCreated(response: rpcpb.WatchResponse): void {
    const entry = this.pending.shift();
    if (entry === undefined) return;
    if (!this.entries.has(entry.watcher)) {
      // Closed before it was created.
      if (!response.canceled) this.sendCancel(response.watchId);
      return;
    }
    if (response.canceled) return this.onCanceled(entry, response);
    entry.id = response.watchId;
    this.byId.set(entry.id, entry);
    const header = headerOf(response.header);
    if (entry.nextRevision === 0n) entry.nextRevision = BigInt(header.revision) + 1n;
    const wanted = entry.watcher.options.createdNotify === true && !entry.announced;
    entry.announced = true;
    if (wanted) entry.watcher.deliver({ header, events: [], created: true, progress: false });
  }

  private onEvents(entry: Entry, response: rpcpb.WatchResponse): void {
    const events = response.events.map(eventOf);
    if (response.fragment) {
      entry.fragments.push(...events);
      return;
    }
    const whole = entry.fragments.length === 0 ? events : entry.fragments.concat(events);
    entry.fragments = [];
    const header = headerOf(response.header);
    const last = whole.length > 0 ? whole[whole.length - 1].kv.modRevision : header.revision;
    if (BigInt(last) + 1n > entry.nextRevision) entry.nextRevision = BigInt(last) + 1n;
    entry.watcher.deliver({ header, events: whole, created: false, progress: whole.length === 0 });
    if (entry.watcher.isCongested && !this.paused) {
      this.paused = true;
      this.stream?.pause();
    }
  }

  private onCanceled(entry: Entry, response: rpcpb.WatchResponse): void {
    this.forget(entry);
    entry.watcher.fail(cancelError(response));
    if (this.entries.size === 0) this.stop();
  }

  private forget(entry: Entry): void {
    this.entries.delete(entry.watcher);
    if (entry.id !== NO_ID) this.byId.delete(entry.id);
  }

  private async open(): Promise<void> {
    if (this.opening || this.closed || this.stream !== undefined) return;
    if (this.entries.size === 0 && !this.progressWanted) return;
    this.opening = true;
    try {
      this.stream = await this.caller.stream(PATH, this, { requireLeader: this.requireLeader });
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return error.code === StatusCode.Unavailable ? this.reopenLater() : this.failAll(error);
    } finally {
      this.opening = false;
    }
    for (const entry of this.entries.values()) this.sendCreate(entry);
    if (this.progressWanted) {
      this.progressWanted = false;
      this.requestProgress();
    }
    if (this.entries.size === 0) this.stop();
  }

  private reopenLater(): void {
    setTimeout(() => void this.open(), this.reopenMs);
    this.reopenMs = Math.min(this.reopenMs * 2, REOPEN_MS_MAX);
  }

  private sendCreate(entry: Entry): void {
    this.pending.push(entry);
    const value = create(rpcpb.WatchCreateRequestSchema, {
      ...entry.watcher.request,
      startRevision: entry.nextRevision,
    });
    this.send({ case: "createRequest", value });
  }

  private sendCancel(watchId: bigint): void {
    this.send({ case: "cancelRequest", value: { watchId } });
  }

  private send(requestUnion: MessageInitShape<typeof rpcpb.WatchRequestSchema>["requestUnion"]): void {
    const request = create(rpcpb.WatchRequestSchema, { requestUnion });
    this.stream?.send(toBinary(rpcpb.WatchRequestSchema, request));
  }

  private failAll(error: Error): void {
    const watchers = [...this.entries.keys()];
    this.entries.clear();
    this.byId.clear();
    this.pending.clear();
    for (const watcher of watchers) watcher.fail(error);
  }

  /** Nothing is watched any more: the stream goes, the next watch opens another. */
  private stop(): void {
    this.stream?.cancel();
    this.stream = undefined;
    this.pending.clear();
    this.paused = false;
  }
}

/** Whether a new stream may succeed where this one failed. */
function mayHeal(failure: CallFailure): boolean {
  if (rowOf(failure.detail) === ErrNoLeader) return false;
  return failure.code === StatusCode.Unavailable || failure.code === StatusCode.Internal;
}

function cancelError(response: rpcpb.WatchResponse): WatchCanceledError {
  const header = response.created ? undefined : headerOf(response.header);
  const compacted = Number(response.compactRevision);
  const reason = response.cancelReason;
  // etcd's own client takes a cancellation without a reason for a start revision out of reach.
  const plain = compacted !== 0 ? ErrCompacted : reason === "" ? ErrFutureRev : undefined;
  const text = /^rpc error: code = \w+ desc = (.*)$/s.exec(reason)?.[1] ?? reason;
  const row = plain ?? rowOf(text);
  return new WatchCanceledError(
    row?.code ?? StatusCode.Unknown,
    row?.message ?? reason,
    compacted,
    row,
    header,
  );
}
