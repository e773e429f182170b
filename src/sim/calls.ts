// Calls as the services of a member see them, recorded instead of carried by HTTP/2. Whatever a service hands over is copied
// before the call returns, as its contract says, and what it was handed is overwritten afterwards, so that a service
// that keeps a view is found out.

import { concatBytes, copyBytes, EMPTY_BYTES } from "#base";
import type { SharingCall, StreamObserver, UnaryCall } from "#server";
import { EventKind } from "./event-queue.js";
import type { Life } from "./life.js";
import type { Network } from "./network.js";
import type { World } from "./world.js";

/** What comes back of a unary call. */
export type Answer =
  | { readonly ok: true; readonly message: Uint8Array }
  | { readonly ok: false; readonly code: number; readonly text: string };

/** Bytes that a service must not look at any more. */
export function scribble(message: Uint8Array): void {
  message.fill(0xa5);
}

export class SimUnaryCall implements UnaryCall {
  cancelled = false;
  private isAnswered = false;
  private readonly life: Life;
  private readonly onAnswer: (answer: Answer) => void;

  constructor(life: Life, onAnswer: (answer: Answer) => void) {
    this.life = life;
    this.onAnswer = onAnswer;
  }

  reply(message: Uint8Array, start = 0, end = message.length): void {
    this.answer({ ok: true, message: copyBytes(message.subarray(start, end)) });
  }

  fail(code: number, text: string): void {
    this.answer({ ok: false, code, text });
  }

  private answer(answer: Answer): void {
    if (this.life.isOver || this.cancelled) return;
    if (this.isAnswered) throw new Error("a call was answered twice");
    this.isAnswered = true;
    this.onAnswer(answer);
  }
}

/** What a client hears of a stream. */
export interface StreamListener {
  onMessage(message: Uint8Array): void;
  onEnd(reason: "member" | "network" | "server", text: string): void;
}

/** Messages that may be under way before the member has to wait. */
const WINDOW = 8;

/** A stream between a client and a member. Both directions keep their order; either end, or the way, may break. */
export class SimStream implements SharingCall {
  cancelled = false;
  observer: StreamObserver | undefined;
  private readonly world: World;
  private readonly network: Network;
  private readonly life: Life;
  private readonly listener: StreamListener;
  private isOver = false;
  private isStalled = false;
  private lastToClient = 0;
  private lastToMember = 0;
  private underWay = 0;
  private readonly held: (() => void)[] = [];
  private isBlocked = false;

  constructor(world: World, network: Network, life: Life, listener: StreamListener) {
    this.world = world;
    this.network = network;
    this.life = life;
    this.listener = listener;
    life.onOver.push(() => this.break("member"));
  }

  // -- the member's side ---------------------------------------------------------------------------------------------

  send(message: Uint8Array): boolean {
    return this.sendWithBody(message, 0, message.length, EMPTY_BYTES);
  }

  sendWithBody(head: Uint8Array, start: number, end: number, body: Uint8Array): boolean {
    if (this.isOver || this.life.isOver) return true;
    const copy = concatBytes([head.subarray(start, end), body]);
    this.underWay++;
    this.toClient(() => {
      this.underWay--;
      this.listener.onMessage(copy);
      this.drain();
    });
    this.isBlocked = this.underWay >= WINDOW;
    return !this.isBlocked;
  }

  end(): void {
    this.toClient(() => this.finish("server", ""));
  }

  fail(code: number, text: string): void {
    this.toClient(() => this.finish("server", `${code} ${text}`));
  }

  // -- the client's side ---------------------------------------------------------------------------------------------

  /** Sends a message to the member. */
  ask(message: Uint8Array): void {
    this.toMember(() => {
      this.observer?.onMessage(message);
      scribble(message);
    });
  }

  halfClose(): void {
    this.toMember(() => this.observer?.onHalfClose());
  }

  /** The client goes away. */
  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.leave();
  }

  /** While stalled nothing reaches the client; the member feels it once the window is full. */
  stall(): void {
    this.isStalled = true;
  }

  resume(): void {
    this.isStalled = false;
    for (const arrive of this.held.splice(0)) if (!this.isOver) arrive();
  }

  /** The connection breaks: both ends hear of it, sooner or later. */
  break(reason: "member" | "network"): void {
    if (this.isOver) return;
    this.isOver = true;
    this.leave();
    this.world.after(this.network.clientDelay(), EventKind.Client, () => this.listener.onEnd(reason, ""));
  }

  private leave(): void {
    if (this.life.isOver) return;
    const tell = (): void => {
      this.cancelled = true;
      this.observer?.onCancel();
    };
    this.world.after(this.network.clientDelay(), EventKind.Request, tell, this.life);
  }

  private drain(): void {
    if (!this.isBlocked || this.underWay >= WINDOW / 2) return;
    this.isBlocked = false;
    this.toMember(() => this.observer?.onDrain());
  }

  private finish(reason: "server", text: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cancelled = true;
    this.listener.onEnd(reason, text);
  }

  private toClient(arrive: () => void): void {
    const departs = Math.max(this.world.now, this.life.busyUntil);
    this.lastToClient = Math.max(departs + this.network.clientDelay(), this.lastToClient + 0.001);
    const receive = (): void => {
      if (this.isOver) return;
      if (this.isStalled) this.held.push(arrive);
      else arrive();
    };
    this.world.after(this.lastToClient - this.world.now, EventKind.Reply, receive);
  }

  private toMember(arrive: () => void): void {
    this.lastToMember = Math.max(this.world.now + this.network.clientDelay(), this.lastToMember + 0.001);
    const receive = (): void => {
      if (!this.isOver && !this.cancelled) arrive();
    };
    this.world.after(this.lastToMember - this.world.now, EventKind.Request, receive, this.life);
  }
}
