// A stream of byte chunks from a worker thread, which produces them in one synchronous run, to the main thread, which takes
// them when it can. The producer sleeps when it is WINDOW chunks ahead, so memory stays bounded and the walk over the
// database can stay a plain loop.
//
// Chunks travel in shared memory that is used again for later ones. Memory handed over per chunk would count as garbage of
// the main thread, whose collector would then go through the whole heap, the key index included, every few megabytes.

import type { MessagePort } from "node:worker_threads";
import { errorOf, failureOf, type WireFailure } from "./worker-host.js";

/** Chunks that the producer may be ahead, the one in use included. */
const WINDOW = 8;
/** A longer chunk gets memory of its own. */
const SLOT_BYTES = 256 * 1024;
const TAKEN = 0;
const CANCELLED = 1;

/** What both ends share besides the port. */
export interface StreamState {
  /** Counts the chunks that were done with; and a flag for the end. */
  readonly control: Int32Array<SharedArrayBuffer>;
  /** WINDOW slots: chunk number n lies in slot n modulo WINDOW. */
  readonly slots: Uint8Array<SharedArrayBuffer>;
}

type StreamMessage =
  | { slot: number; length: number }
  | { chunk: Uint8Array }
  | { end: true }
  | { failure: WireFailure };

/** Thrown in the producer when the taker went away. */
class StreamCancelled extends Error {}

export function newStreamState(): StreamState {
  return {
    control: new Int32Array(new SharedArrayBuffer(8)),
    slots: new Uint8Array(new SharedArrayBuffer(WINDOW * SLOT_BYTES)),
  };
}

/**
 * Runs `produce` with a function that sends chunks; ends or fails the stream as `produce` does. A chunk is copied before
 * the function returns.
 */
export function produceChunks(
  port: MessagePort,
  { control, slots }: StreamState,
  produce: (send: (chunk: Uint8Array) => void) => void,
): void {
  let sent = 0;
  const send = (chunk: Uint8Array): void => {
    for (;;) {
      if (Atomics.load(control, CANCELLED) !== 0) throw new StreamCancelled();
      const taken = Atomics.load(control, TAKEN);
      if (sent - taken < WINDOW) break;
      Atomics.wait(control, TAKEN, taken);
    }
    const slot = sent++ % WINDOW;
    if (chunk.length > SLOT_BYTES) {
      const own = new Uint8Array(new SharedArrayBuffer(chunk.length));
      own.set(chunk);
      port.postMessage({ chunk: own } satisfies StreamMessage);
      return;
    }
    slots.set(chunk, slot * SLOT_BYTES);
    port.postMessage({ slot, length: chunk.length } satisfies StreamMessage);
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

/** The taking end: iterate it once. A chunk is valid until the next one is asked for; leaving the loop stops the producer. */
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
      if ("slot" in message) this.queue.push(this.slot(message.slot, message.length));
      else if ("chunk" in message) this.queue.push(message.chunk);
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
          yield chunk;
          this.countTaken();
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
    Atomics.store(this.state.control, CANCELLED, 1);
    this.countTaken();
    this.port.close();
  }

  private slot(slot: number, length: number): Uint8Array {
    return this.state.slots.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + length);
  }

  private countTaken(): void {
    Atomics.add(this.state.control, TAKEN, 1);
    Atomics.notify(this.state.control, TAKEN);
  }

  private wakeTaker(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }
}
