// A view of the lmdb backend: a pinned tree, and a thread that reads it. The thread starts with the first job and takes one
// job at a time; closing the view ends whatever runs.

import { MessageChannel } from "node:worker_threads";
import type { BackendView, DatabaseImage, RecordVisitor, RevisionName } from "./backend.js";
import { ChunkReceiver, newStreamState } from "./chunk-stream.js";
import type { Pin } from "./lmdb-environment.js";
import type { LmdbFile, TreeRoot } from "./lmdb-file.js";
import { visitPacked } from "./record-stream.js";
import type { HashRevisionsRequest, StreamRequest, TreeHandle } from "./view-worker.js";
import { WorkerHost, workerFile } from "./worker-host.js";

const VIEW_HEAP_MB = 256;

/** A tree whose pages stay as they are until `release`. */
export class PinnedTree {
  private isPinned = true;

  constructor(
    private readonly file: LmdbFile,
    readonly root: TreeRoot,
    private readonly pin: Pin,
    private readonly onRelease: (tree: PinnedTree) => void,
  ) {}

  get handle(): TreeHandle {
    return { path: this.file.path, fd: this.file.fd, root: this.root };
  }

  /** Ends the transaction but goes on reading: for a file that nobody writes any more. */
  detach(): void {
    if (!this.isPinned) return;
    this.isPinned = false;
    this.pin.release();
  }

  release(): void {
    this.detach();
    this.file.close();
    this.onRelease(this);
  }
}

/** A thread for passes over a whole database. */
export function startViewThread(path: string): WorkerHost {
  return new WorkerHost(workerFile(import.meta.url, "view-worker"), path, undefined, VIEW_HEAP_MB);
}

export class LmdbView implements BackendView {
  private host: WorkerHost | undefined;
  private readonly streams = new Set<ChunkReceiver>();
  private isClosed = false;

  constructor(
    private readonly tree: PinnedTree,
    private readonly path: string,
  ) {}

  async forEach(visit: RecordVisitor): Promise<void> {
    for await (const chunk of this.stream("records")) if (!visitPacked(chunk, visit)) return;
  }

  async exportImage(): Promise<DatabaseImage> {
    const size = (await this.thread().request("plan", this.tree.handle)) as number;
    return { size, chunks: this.stream("image") };
  }

  async hash(): Promise<number> {
    return (await this.thread().request("hash", this.tree.handle)) as number;
  }

  async hashRevisions(
    revision: number,
    compactRevision: number,
    keep: readonly RevisionName[],
  ): Promise<number> {
    const request: HashRevisionsRequest = { tree: this.tree.handle, revision, compactRevision, keep };
    return (await this.thread().request("hash-revisions", request)) as number;
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const stream of this.streams) stream.cancel();
    await this.host?.terminate();
    this.tree.release();
  }

  private thread(): WorkerHost {
    if (this.isClosed) throw new Error("the view is closed");
    this.host ??= startViewThread(this.path);
    return this.host;
  }

  private stream(kind: "records" | "image"): ChunkReceiver {
    const { port1, port2 } = new MessageChannel();
    const state = newStreamState();
    const receiver = new ChunkReceiver(port1, state, this.path);
    const request: StreamRequest = { tree: this.tree.handle, state };
    this.streams.add(receiver);
    this.thread()
      .request(kind, request, port2)
      .catch((error: Error) => receiver.fail(error)) // the thread died, or never came to produce anything
      .finally(() => this.streams.delete(receiver));
    return receiver;
  }
}
