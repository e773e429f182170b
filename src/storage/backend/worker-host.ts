// Worker threads of this room: how they are found, asked and waited for. A request is a message with a number; the
// answer carries the same number and a value or an error. One worker answers its requests in order.

import { existsSync } from "node:fs";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { type MessagePort, type TransferListItem, Worker } from "node:worker_threads";
import { DiskError, Panic } from "#base";
import { CorruptImageError } from "../bbolt/format.js";
import { UnknownContentError } from "./exchange.js";

/**
 * The compiled file of a worker beside `importer`. A thread cannot load TypeScript: run from the sources (as the tests
 * do) it takes the compiled twin in dist, so build first.
 */
export function workerFile(importer: string, name: string): URL {
  if (!importer.endsWith(".ts")) return new URL(`./${name}.js`, importer);
  const compiled = new URL(importer.replace(/\/src\/((?!.*\/src\/).*)\/[^/]*$/, `/dist/$1/${name}.js`));
  if (!existsSync(compiled))
    throw new Error(`${fileURLToPath(compiled)} is missing: run "npm run build" first`);
  return compiled;
}

/** An error on its way between threads: classes do not survive the passage, codes and texts do. */
export interface WireFailure {
  readonly message: string;
  readonly stack: string;
  /** Code of a system error (ENOSPC, EIO, …) or empty. */
  readonly code: string;
  /** Of a DiskError: what was tried and on which file. */
  readonly operation: string;
  readonly path: string;
  readonly isPanic: boolean;
  /** Set for a CorruptImageError. */
  readonly image?: { readonly path: string; readonly offset: number; readonly detail: string };
  readonly isUnknownContent: boolean;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly failure?: WireFailure;
}

export function failureOf(error: unknown): WireFailure {
  const e = error instanceof Error ? error : new Error(String(error));
  const disk = e instanceof DiskError ? e : undefined;
  return {
    message: e.message,
    stack: e.stack ?? "",
    code: "code" in e && typeof e.code === "string" ? e.code : "",
    operation: disk?.operation ?? "",
    path: disk?.path ?? "",
    isPanic: e instanceof Panic,
    image: e instanceof CorruptImageError ? { path: e.path, offset: e.offset, detail: e.detail } : undefined,
    isUnknownContent: e instanceof UnknownContentError,
  };
}

/** The error that a failure stands for: of the image, of the system (DiskError), and else a Panic. */
export function errorOf(failure: WireFailure, path: string): Error {
  const { image, code } = failure;
  if (image !== undefined) return new CorruptImageError(image.path, image.offset, image.detail);
  if (failure.isUnknownContent) return new UnknownContentError(failure.message);
  if (code !== "" && !failure.isPanic) {
    return new DiskError(code, failure.operation || "access", failure.path || path, failure);
  }
  return new Panic(failure.message, { path }, failure);
}

/** How much the system prefers other threads to one that may take its time (a nice value): requests come first. */
const BACKGROUND_PRIORITY = 10;

/** Makes the calling thread give way to others. Elsewhere than on Linux the call would mean the whole process. */
export function giveWay(): void {
  if (process.platform === "linux") setPriority(BACKGROUND_PRIORITY);
}

/** Serves requests in a worker: `handle` gets each message and answers with a value or throws. */
export function serveRequests(
  port: MessagePort,
  handle: (kind: string, body: unknown, ports: readonly MessagePort[]) => unknown,
): void {
  port.on("message", (message: { id: number; kind: string; body: unknown; port?: MessagePort }) => {
    const ports = message.port === undefined ? [] : [message.port];
    void Promise.resolve()
      .then(() => handle(message.kind, message.body, ports))
      .then(
        (value) => port.postMessage({ id: message.id, value } satisfies WorkerAnswer),
        (error: unknown) =>
          port.postMessage({ id: message.id, failure: failureOf(error) } satisfies WorkerAnswer),
      );
  });
}

/** The asking side. The thread keeps the process alive only while an answer is due. */
export class WorkerHost {
  private readonly worker: Worker;
  private readonly waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  private readonly path: string;
  private nextId = 1;
  private death: Error | undefined;

  /** @param path the file that the worker works on, for error texts */
  constructor(file: URL, path: string, data: unknown, heapMaxMb: number) {
    this.path = path;
    // The runner's own flags (conditions, loaders) would make the compiled file resolve to sources again.
    this.worker = new Worker(file, {
      workerData: data,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMaxMb },
    });
    this.worker.unref();
    this.worker.on("message", (answer: WorkerAnswer) => this.onAnswer(answer));
    this.worker.on("error", (error) => this.onDeath(error));
    this.worker.on("exit", () => this.onDeath(new Error("the storage thread ended")));
  }

  request(kind: string, body: unknown, port?: MessagePort): Promise<unknown> {
    if (this.death !== undefined) return Promise.reject(new Panic("storage thread is gone", {}, this.death));
    const id = this.nextId++;
    const transfer: TransferListItem[] = port === undefined ? [] : [port];
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject: (error) => reject(error) });
      if (this.waiting.size === 1) this.worker.ref();
      this.worker.postMessage({ id, kind, body, port }, transfer);
    });
  }

  async terminate(): Promise<void> {
    this.worker.ref(); // or the process could end before the promise does
    await this.worker.terminate();
  }

  private onAnswer(answer: WorkerAnswer): void {
    const waiter = this.waiting.get(answer.id);
    if (waiter === undefined) return;
    this.waiting.delete(answer.id);
    if (this.waiting.size === 0) this.worker.unref();
    if (answer.failure === undefined) waiter.resolve(answer.value);
    else waiter.reject(errorOf(answer.failure, this.path));
  }

  private onDeath(error: Error): void {
    this.death ??= error;
    for (const waiter of this.waiting.values()) waiter.reject(new Panic("storage thread died", {}, error));
    this.waiting.clear();
  }
}
