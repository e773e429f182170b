// etcdserverpb.Watch: one session per stream. The hub decides what a client gets; a session only moves encoded responses
// to the transport while the transport takes them. A client that does not read fills its own queue in the hub and
// nothing else.

import { type Clock, WireWriter } from "#base";
import type { WatchHub, WatchStream } from "#mvcc";
import { ErrStopped, type RpcError, rpcpb, StatusCode } from "#proto";
import { exponentialBounds, Histogram } from "../histogram.js";
import { WATCH_CONTROL_QUEUE_MAX } from "../limits.js";
import { failWith, type SharingCall, type StreamObserver } from "./call.js";
import { decodeMessage } from "./decode.js";
import type { LeaderGuard } from "./leader-guard.js";

const scratch = new WireWriter(64 * 1024);

/** All watch sessions of a member. */
export class WatchService {
  private readonly hub: WatchHub;
  private readonly clock: Clock;
  private readonly leaderGuard: LeaderGuard;
  /** Sessions with output that was not pumped yet. */
  private ready: WatchSession[] = [];
  private readonly sessions = new Set<WatchSession>();
  /** Time taken to hand one stream what it has. */
  readonly pumps = new Histogram(exponentialBounds(0.001, 2, 14));
  /** Streams ended with an error. */
  failures = 0;
  private pumpScheduled = false;
  private syncScheduled = false;
  private readonly runPump = (): void => {
    this.pumpScheduled = false;
    this.pump();
  };
  private readonly runSync = (): void => {
    this.syncScheduled = false;
    this.hub.syncStep();
    this.scheduleSync();
    this.pump();
  };

  constructor(hub: WatchHub, clock: Clock, leaderGuard: LeaderGuard) {
    this.hub = hub;
    this.clock = clock;
    this.leaderGuard = leaderGuard;
  }

  /** @param requiresLeader the client wants the stream to end when the cluster has no leader */
  open(call: SharingCall, requiresLeader = false): StreamObserver {
    const stream = this.hub.createStream(this.clock.now());
    const session = new WatchSession(call, stream, this);
    stream.context = session;
    this.sessions.add(session);
    if (requiresLeader) this.leaderGuard.add(session);
    return session;
  }

  forget(session: WatchSession): void {
    this.sessions.delete(session);
    this.leaderGuard.remove(session);
  }

  /** Ends every stream: the server stops, and watches would keep it from ending. */
  endAll(): void {
    for (const session of [...this.sessions]) session.end(ErrStopped);
  }

  /** For the hub: this stream has output now. */
  onReady(stream: WatchStream): void {
    if (stream.context instanceof WatchSession) this.ready.push(stream.context);
    if (this.pumpScheduled) return;
    this.pumpScheduled = true;
    this.clock.setNext(this.runPump);
  }

  /** Moves what the hub has queued to the transports. The driver calls it at the end of each turn. */
  pump(): void {
    this.hub.flush();
    while (this.ready.length > 0) {
      const sessions = this.ready;
      this.ready = [];
      let began = this.clock.now();
      for (const session of sessions) {
        session.pump();
        const now = this.clock.now();
        this.pumps.observe((now - began) / 1000);
        began = now;
      }
    }
    // Whoever was drained has room for history again.
    this.scheduleSync();
  }

  /** Lagging watchers are fed from history in slices, one per round of the event loop. */
  scheduleSync(): void {
    if (this.syncScheduled || !this.hub.syncPending) return;
    this.syncScheduled = true;
    this.clock.setNext(this.runSync);
  }
}

class WatchSession implements StreamObserver {
  private readonly call: SharingCall;
  private readonly stream: WatchStream;
  private readonly service: WatchService;
  private blocked = false;

  constructor(call: SharingCall, stream: WatchStream, service: WatchService) {
    this.call = call;
    this.stream = stream;
    this.service = service;
  }

  onMessage(message: Uint8Array): void {
    const request = decodeMessage(rpcpb.WatchRequestSchema, message).requestUnion;
    switch (request.case) {
      case "createRequest":
        this.create(request.value);
        break;
      case "cancelRequest":
        this.stream.cancel(request.value.watchId);
        break;
      case "progressRequest":
        this.stream.requestProgress();
        break;
      default:
      // An empty union asks for nothing.
    }
    if (this.stream.queued > WATCH_CONTROL_QUEUE_MAX) this.abandon();
  }

  onHalfClose(): void {
    // Watchers stay: the client may only have finished asking.
  }

  onCancel(): void {
    this.close();
  }

  end(error: RpcError): void {
    this.close();
    this.service.failures++;
    failWith(this.call, error);
  }

  onDrain(): void {
    this.blocked = false;
    this.pump();
    this.service.scheduleSync();
  }

  pump(): void {
    while (!this.blocked && !this.stream.closed) {
      scratch.reset();
      if (!this.stream.next(scratch)) return;
      if (!this.call.sendWithBody(scratch.buf, 0, scratch.length, this.stream.body)) this.blocked = true;
    }
  }

  private create(request: rpcpb.WatchCreateRequest): void {
    this.stream.create({
      key: request.key,
      rangeEnd: request.rangeEnd,
      startRevision: Number(request.startRevision),
      noPut: request.filters.includes(rpcpb.WatchCreateRequest_FilterType.NOPUT),
      noDelete: request.filters.includes(rpcpb.WatchCreateRequest_FilterType.NODELETE),
      prevKv: request.prevKv,
      progressNotify: request.progressNotify,
      fragment: request.fragment,
      watchId: request.watchId,
    });
    this.service.scheduleSync();
  }

  private close(): void {
    this.stream.close();
    this.service.forget(this);
  }

  /** The client keeps asking and never reads the answers. */
  private abandon(): void {
    this.close();
    this.service.failures++;
    this.call.fail(StatusCode.ResourceExhausted, "etcdserver: watch stream has too many unread responses");
  }
}
