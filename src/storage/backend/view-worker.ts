// The thread of a view, and of the operations that build a whole file: everything that reads the entire database. It reads
// through LmdbFile on a descriptor of the main thread, whose read transaction keeps the pages in place.

import type { MessagePort } from "node:worker_threads";
import { parentPort } from "node:worker_threads";
import { assert } from "#base";
import { FileSource } from "../bbolt/file-source.js";
import { ImageReader } from "../bbolt/image-reader.js";
import { ImageWriter } from "../bbolt/image-writer.js";
import { type ImagePlan, ImagePlanner } from "../bbolt/plan.js";
import type { RevisionName } from "./backend.js";
import { produceChunks, type StreamState } from "./chunk-stream.js";
import { type CatchUpRequest, type CopyRequest, catchUp, copyTree, finishCopy } from "./copy.js";
import { DatabaseHash, RevisionHash } from "./hash.js";
import { importImage } from "./import.js";
import { LmdbFile, type TreeRoot } from "./lmdb-file.js";
import { Pacer } from "./pacer.js";
import { RecordPacker } from "./record-stream.js";
import { RevisionSet } from "./revision-set.js";
import { TreeRecords } from "./tree-records.js";
import { giveWay, serveRequests } from "./worker-host.js";

/** A tree to read: its file by descriptor, since the path may name another file by now. */
export interface TreeHandle {
  readonly path: string;
  readonly fd: number;
  readonly root: TreeRoot;
}

export interface StreamRequest {
  readonly tree: TreeHandle;
  readonly state: StreamState;
}

export interface HashRevisionsRequest {
  readonly tree: TreeHandle;
  readonly revision: number;
  readonly compactRevision: number;
  readonly keep: readonly RevisionName[];
}

export interface ImportRequest {
  readonly imagePath: string;
  readonly path: string;
  readonly unsafeNoFsync: boolean;
}

/** The plan of the image asked for last: planned by "plan", written by "image". */
let plan: ImagePlan | undefined;

function recordsOf(tree: TreeHandle): TreeRecords {
  return new TreeRecords(new LmdbFile(tree.path, tree.fd), tree.root, new Pacer());
}

function planImage(tree: TreeHandle): number {
  const planner = new ImagePlanner();
  recordsOf(tree).feed(planner);
  plan = planner.finish();
  return plan.size;
}

function streamImage({ tree, state }: StreamRequest, port: MessagePort): void {
  const planned = plan;
  assert(planned !== undefined, "an image is planned before it is written");
  produceChunks(port, state, (send) => {
    const writer = new ImageWriter(planned, send);
    recordsOf(tree).feed(writer);
    writer.finish();
  });
}

function streamRecords({ tree, state }: StreamRequest, port: MessagePort): void {
  produceChunks(port, state, (send) => {
    const packer = new RecordPacker(send);
    recordsOf(tree).feed(packer);
    packer.flush();
  });
}

function hash(tree: TreeHandle): number {
  const sum = new DatabaseHash();
  recordsOf(tree).feed(sum);
  return sum.sum;
}

function hashRevisions({ tree, revision, compactRevision, keep }: HashRevisionsRequest): number {
  const kept = new RevisionSet();
  for (const { main, sub } of keep) kept.add(main, sub);
  const sum = new RevisionHash(revision, compactRevision, kept);
  recordsOf(tree).feedRevisions(0, 0, (key, keyLength, value, start, end) =>
    sum.add(key, keyLength, value, start, end),
  );
  return sum.sum;
}

async function importFile(request: ImportRequest): Promise<void> {
  const source = new FileSource(request.imagePath);
  try {
    await importImage(new ImageReader(source), request.imagePath, request);
  } finally {
    source.close();
  }
}

function handle(kind: string, body: unknown, port: MessagePort | undefined): unknown {
  switch (kind) {
    case "plan":
      return planImage(body as TreeHandle);
    case "image":
      assert(port !== undefined, "a stream without a port");
      return streamImage(body as StreamRequest, port);
    case "records":
      assert(port !== undefined, "a stream without a port");
      return streamRecords(body as StreamRequest, port);
    case "hash":
      return hash(body as TreeHandle);
    case "hash-revisions":
      return hashRevisions(body as HashRevisionsRequest);
    case "import":
      return importFile(body as ImportRequest);
    case "copy":
      return copyTree(body as CopyRequest);
    case "catch-up":
      return catchUp(body as CatchUpRequest);
    case "finish-copy":
      return finishCopy(body as TreeHandle);
    default:
      throw new Error(`unknown request ${kind}`);
  }
}

assert(parentPort !== null, "a view runs as a worker thread");
giveWay();
serveRequests(parentPort, (kind, body, ports) => handle(kind, body, ports[0]));
