// A stream of byte chunks from a worker thread, which produces them in one synchronous run, to the main thread, which takes
// them when it can. The producer sleeps when it is WINDOW chunks ahead, so memory stays bounded and the walk over the
// database can stay a plain loop.

import type { MessagePort } from "node:worker_threads";
import { errorOf, failureOf, type WireFailure } from "./worker-host.js";

/** Chunks that the producer may be ahead. */
const WINDOW = 8;
const TAKEN = 0;
const CANCELLED = 1;

/** What both ends share besides the port. */
export type StreamState = Int32Array<SharedArrayBuffer>;

type StreamMessage = { chunk: Uint8Array } | { end: true } | { failure: WireFailure };

/** Thrown in the producer when the taker went away. */
class StreamCancelled extends Error {}

export function newStreamState(): StreamState {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Runs `produce` with a function that sends chunks; ends or fails the stream as `produce` does. */
export function produceChunks(
  port: MessagePort,
  state: StreamState,
  produce: (send: (chunk: Uint8Array) => void) => void,
): void {
  let sent = 0;
  const send = (chunk: Uint8Array): void => {
    for (;;) {
      if (Atomics.load(state, CANCELLED) !== 0) throw new StreamCancelled();
      const taken = Atomics.load(state, TAKEN);
      if (sent - taken < WINDOW) break;
      Atomics.wait(state, TAKEN, taken);
    }
    sent++;
    port.postMessage({ chunk } satisfies StreamMessage, [chunk.buffer as ArrayBuffer]);
  };
  try {
    produce(send);
    port.postMessage({ end: true } satisfies StreamMessage);
  } catch (error) {
    if (!(error instanceof StreamCancelled))
      port.postMessage({ failure: failureOf(error) } satisfies StreamMessage);
  } finally {
    port.close();
  }
}

/** The taking end: iterate it once. Leaving the loop early stops the producer. */
export class ChunkReceiver implements AsyncIterable<Uint8Array> {
  private readonly queue: Uint8Array[] = [];
  private isEnded = false;
  private failure: Error | undefined;
  private wake: (() => void) | undefined;

  constructor(
    private readonly port: MessagePort,
    private readonly state: StreamState,
    path: string,
  ) {
    port.on("message", (message: StreamMessage) => {
      if ("chunk" in message) this.queue.push(message.chunk);
      else {
        this.isEnded = true;
        if ("failure" in message) this.failure = errorOf(message.failure, path);
      }
      this.wakeTaker();
    });
    port.on("close", () => this.fail(new Error("the storage thread ended before its stream did")));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.queue.shift();
        if (chunk !== undefined) {
          Atomics.add(this.state, TAKEN, 1);
          Atomics.notify(this.state, TAKEN);
          yield chunk;
        } else if (this.isEnded) {
          if (this.failure !== undefined) throw this.failure;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        }
      }
    } finally {
      this.cancel();
    }
  }

  /** Ends the stream with an error, unless it has ended by itself. */
  fail(error: Error): void {
    if (!this.isEnded) this.failure ??= error;
    this.isEnded = true;
    this.wakeTaker();
  }

  /** Stops the producer; nothing more arrives. */
  cancel(): void {
    Atomics.store(this.state, CANCELLED, 1);
    Atomics.add(this.state, TAKEN, 1);
    Atomics.notify(this.state, TAKEN);
    this.port.close();
  }

  private wakeTaker(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }
}
