// The watchers of one side: one stream, and for each watcher the list of everything it was told, in order. How events are
// grouped into responses depends on timing, so the lists are of single events; that grouping has rules of its own, which
// the contract checks. `settle` returns when everything up to a revision was delivered, which a progress answer tells.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Watch,
  type WatchCreateRequestSchema,
  type WatchRequestSchema,
  type WatchResponse,
} from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import { EventSchema } from "../../src/proto/gen/mvccpb/kv_pb.js";
import type { BidiStream, TestClient } from "../support/index.js";
import { type Names, printMessage } from "../support/messages.js";

/** A watcher that is always there: progress is told only where there is a watcher. */
const PERMANENT_ID = 1_000_000n;
const ALL_WATCHERS = -1n;
const SETTLE_TIMEOUT_MS = 30_000;
const RETRY_MS = 200;

export class WatchLog {
  readonly #stream: BidiStream<MessageInitShape<typeof WatchRequestSchema>, WatchResponse>;
  readonly #names: Names;
  readonly #told = new Map<bigint, string[]>();
  #progress = 0n;
  #problem = "";

  constructor(client: TestClient, names: Names) {
    this.#stream = client.bidi(Watch.method.watch);
    this.#names = names;
    this.create({ watchId: PERMANENT_ID, key: Buffer.from("never") });
    void this.#read();
  }

  create(value: MessageInitShape<typeof WatchCreateRequestSchema>): void {
    this.#stream.send({ requestUnion: { case: "createRequest", value } });
  }

  cancel(watchId: bigint): void {
    this.#stream.send({ requestUnion: { case: "cancelRequest", value: { watchId } } });
  }

  async #read(): Promise<void> {
    for (;;) {
      const item = await this.#stream.next(600_000);
      if (item === undefined || "status" in item) {
        this.#problem = item === undefined ? "silent" : `ended: ${item.status.code} ${item.status.message}`;
        return;
      }
      this.#take(item.message);
    }
  }

  #take(response: WatchResponse): void {
    if (response.watchId === ALL_WATCHERS && !response.created) {
      this.#progress = response.header!.revision;
      return;
    }
    const told = this.#told.get(response.watchId) ?? [];
    this.#told.set(response.watchId, told);
    if (response.created) told.push("created");
    for (const event of response.events) {
      if (event.kv!.modRevision > response.header!.revision) told.push("event newer than its header");
      told.push(printMessage(EventSchema, event, this.#names));
    }
    if (response.canceled) told.push(`canceled ${response.compactRevision} ${response.cancelReason}`);
  }

  /** Waits until all events up to `revision` are here. No write may be under way. */
  async settle(revision: number): Promise<void> {
    const end = Date.now() + SETTLE_TIMEOUT_MS;
    while (this.#progress < BigInt(revision)) {
      if (this.#problem !== "") throw new Error(`watch stream ${this.#problem}`);
      if (Date.now() > end) throw new Error(`no progress to revision ${revision}: at ${this.#progress}`);
      this.#stream.send({ requestUnion: { case: "progressRequest", value: {} } });
      for (let waited = 0; waited < RETRY_MS && this.#progress < BigInt(revision); waited += 5) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  /** Everything told since the last call, per watcher. */
  drain(): Map<bigint, string[]> {
    const drained = new Map(this.#told);
    this.#told.clear();
    return drained;
  }

  close(): void {
    this.#stream.cancel();
  }
}
