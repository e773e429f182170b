// One database image on its way from a member to another: chunk by chunk, each taking its time, so that either end may die
// and the link may break between any two of them. The receiver's iteration fails when the stream breaks; the sender's
// raft is told how it went.

import { copyBytes, WireWriter } from "#base";
import { decodeMessage, encodeMessage } from "#proto";
import type { OutgoingSnapshot } from "#server";
import { EventKind } from "./event-queue.js";
import type { Host } from "./host.js";
import type { Life } from "./life.js";
import type { Network } from "./network.js";
import type { World } from "./world.js";

/** A sender that hears nothing more gives up after this. */
const PATIENCE_MS = 5000;

export class ImageTransfer {
  private readonly world: World;
  private readonly network: Network;
  private readonly from: Life;
  private readonly to: Host | undefined;
  private readonly snapshot: OutgoingSnapshot;
  private readonly arrived: Uint8Array[] = [];
  private wake: (() => void) | undefined;
  private isComplete = false;
  private isBroken = false;
  private isReported = false;
  private chunksUntilCut = Number.POSITIVE_INFINITY;
  private lateMs = 0;

  constructor(world: World, network: Network, from: Life, to: Host | undefined, snapshot: OutgoingSnapshot) {
    this.world = world;
    this.network = network;
    this.from = from;
    this.to = to;
    this.snapshot = snapshot;
  }

  /** The stream breaks after this many chunks. */
  cutAfter(chunks: number): void {
    this.chunksUntilCut = chunks;
  }

  /** The sender's end of the stream breaks when everything is on its way; the receiver has the rest so much later. */
  beLate(ms: number): void {
    this.lateMs = ms;
  }

  start(): void {
    this.world.say(
      () => `m${this.from.host.place} sends an image of ${this.snapshot.size} bytes to m${this.to?.place}`,
    );
    this.from.onOver.push(() => {
      this.isBroken = !this.isComplete;
      this.wake?.();
    });
    this.run().catch(() => this.report(false));
  }

  private async run(): Promise<void> {
    const { to, from } = this;
    const target = to?.life;
    try {
      if (target?.running === undefined) return this.report(false);
      this.beginReceiving(target);
      for await (const chunk of this.snapshot.chunks) {
        await this.world.sleep(this.network.delay(), EventKind.Image, from);
        if (!this.push(target, chunk)) return this.report(false);
      }
      await this.world.sleep(this.network.delay(), EventKind.Image, from);
      if (this.lateMs > 0) return this.completeLate(target);
      this.isComplete = true;
      this.wake?.();
      this.world.after(PATIENCE_MS, EventKind.Image, () => this.report(false), from);
    } finally {
      await this.snapshot.close();
    }
  }

  private completeLate(target: Life): void {
    const complete = (): void => {
      this.isComplete = true;
      this.wake?.();
    };
    this.world.after(this.lateMs, EventKind.Image, complete, target);
    this.isReported = true;
    this.tellSender(false);
  }

  private push(target: Life, chunk: Uint8Array): boolean {
    const lost = target.isOver || this.network.isBlocked(this.from.host, target.host);
    if (lost || this.isBroken || --this.chunksUntilCut < 0) {
      this.isBroken = true;
      this.wake?.();
      return false;
    }
    this.arrived.push(copyBytes(chunk));
    this.wake?.();
    return true;
  }

  private beginReceiving(target: Life): void {
    const out = new WireWriter(1024);
    encodeMessage(out, this.snapshot.message);
    const bytes = out.finish();
    const receive = (): void => {
      if (target.running === undefined) return;
      target.running.member.receiveSnapshot(decodeMessage(bytes), this.chunks()).then(
        () => this.answer(true),
        () => this.answer(false),
      );
    };
    this.world.after(this.network.delay(), EventKind.Image, receive, target);
  }

  private async *chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let chunk = this.arrived.shift(); chunk !== undefined; chunk = this.arrived.shift()) yield chunk;
      if (this.isBroken) throw new Error("the image stream broke");
      if (this.isComplete) return;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** The receiver's answer travels back; it may be lost like anything else. */
  private answer(taken: boolean): void {
    const { to, from } = this;
    if (to === undefined || this.network.isBlocked(to, from.host)) return;
    this.world.after(this.network.delay(), EventKind.Image, () => this.report(taken), from);
  }

  private report(delivered: boolean): void {
    if (this.isReported || this.from.isOver) return;
    this.isReported = true;
    this.isBroken ||= !delivered;
    this.wake?.();
    this.tellSender(delivered);
  }

  private tellSender(delivered: boolean): void {
    this.world.say(() => `image to m${this.to?.place} ${delivered ? "delivered" : "failed"}`);
    this.from.running?.member.onSnapshotSent(this.snapshot.message.to, delivered);
  }
}
