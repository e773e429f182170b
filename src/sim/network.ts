// The network between members, and between clients and members. Raft messages travel as bytes, encoded and decoded by the
// real codec. A link has a direction, a delay, and what goes wrong on it: blocks (several faults may block the same link;
// it opens when the last is gone), loss, duplication, reordering. Unless reordering is on, a link keeps its order, as a
// connection does. Database images are streams of their own, which can be cut in the middle.

import { copyBytes, type SeededRandom, WireWriter } from "#base";
import { decodeMessage, encodeMessage, type MemberId, MessageType, type RaftMessage } from "#proto";
import type { OutgoingSnapshot, SnapshotSender, Transport } from "#server";
import { EventKind } from "./event-queue.js";
import type { Host } from "./host.js";
import { ImageTransfer } from "./image-transfer.js";
import type { Life } from "./life.js";
import { around, type Plan } from "./plan.js";
import type { World } from "./world.js";

/** Trouble that holds for all links while a fault lasts. */
export interface Weather {
  loss: number;
  duplicate: number;
  extraDelayMs: number;
  clientLoss: number;
  /** Messages are held back, behind later ones, with this probability. */
  heldBack: number;
  /** Requests for votes take up to this much longer. */
  voteDelayMs: number;
}

/** Milliseconds added to what a member sends, and to what is sent to it. */
export interface Slowness {
  readonly outMs: number;
  readonly inMs: number;
}

const FAIR: Weather = {
  loss: 0,
  duplicate: 0,
  extraDelayMs: 0,
  clientLoss: 0,
  heldBack: 0,
  voteDelayMs: 0,
};

/** How long a message is held back on average. */
const HELD_BACK_MS = 700;
const LATE_IMAGE_MS = 1500;

export type SendListener = (life: Life, message: RaftMessage) => void;

export class Network {
  readonly weather: Weather = { ...FAIR };
  /** Members whose messages take longer, and by how much. */
  readonly slowHosts = new Map<Host, Slowness>();
  /** Images are cut in the middle with this probability. */
  imageCut = 0;
  /** So many of the next images come late: the sender has given them up by then. */
  lateImages = 0;
  private lossAlways: number;
  private clientLossAlways: number;
  messages = 0;
  /** Hear of every message that a member sends, before anything can happen to it. */
  readonly listeners = new Set<SendListener>();
  private readonly world: World;
  private readonly plan: Plan;
  private readonly random: SeededRandom;
  private readonly hosts = new Map<MemberId, Host>();
  /** How many faults block a link. */
  private readonly blocks = new Map<number, number>();
  /** Links on which the sender does not notice that nothing arrives. */
  private readonly halfOpen = new Set<number>();
  private readonly lastArrival = new Map<number, number>();
  private readonly out = new WireWriter(4096);

  constructor(world: World, plan: Plan) {
    this.world = world;
    this.plan = plan;
    this.random = world.fork("network");
    this.lossAlways = plan.netLoss;
    this.clientLossAlways = plan.clientLoss;
  }

  join(host: Host): void {
    this.hosts.set(host.memberId, host);
  }

  /** What a life sends through. */
  transportOf(life: Life): Transport & SnapshotSender {
    return {
      send: (messages) => {
        if (life.isOver) return;
        for (const message of messages) this.send(life, message);
      },
      sendSnapshot: (snapshot) => this.sendImage(life, snapshot),
    };
  }

  block(from: Host, to: Host, silently: boolean): void {
    const link = linkOf(from, to);
    this.blocks.set(link, (this.blocks.get(link) ?? 0) + 1);
    if (silently) this.halfOpen.add(link);
  }

  unblock(from: Host, to: Host): void {
    const link = linkOf(from, to);
    const count = (this.blocks.get(link) ?? 0) - 1;
    if (count > 0) {
      this.blocks.set(link, count);
      return;
    }
    this.blocks.delete(link);
    this.halfOpen.delete(link);
  }

  isBlocked(from: Host, to: Host): boolean {
    return this.blocks.has(linkOf(from, to));
  }

  /** From now on nothing is lost. Delays stay as the plan has them, and order as well. */
  heal(): void {
    this.lossAlways = 0;
    this.clientLossAlways = 0;
    this.blocks.clear();
    this.halfOpen.clear();
    this.slowHosts.clear();
    Object.assign(this.weather, FAIR);
    this.imageCut = 0;
    this.lateImages = 0;
  }

  /** How long something small takes from one member to another. */
  delay(): number {
    const { netDelayMs, netJitterMs } = this.plan;
    return netDelayMs + around(this.random, netJitterMs) + this.random.float() * this.weather.extraDelayMs;
  }

  /** The same between a client and a member. */
  clientDelay(): number {
    return this.plan.clientNetDelayMs * (0.5 + this.random.float());
  }

  losesClientMessage(): boolean {
    return this.random.float() < this.clientLossAlways + this.weather.clientLoss;
  }

  /** Delivers a message later, whatever becomes of its link: it was on its way already. Lost if the receiver ends before. */
  sendLate(message: RaftMessage, afterMs: number): void {
    const target = this.hosts.get(message.to)?.life;
    if (target === undefined) return;
    this.out.reset();
    encodeMessage(this.out, message);
    const bytes = this.out.finish();
    const receive = (): void => target.running?.member.driver.receive(decodeMessage(bytes));
    this.world.after(afterMs, EventKind.Message, receive, target);
  }

  private send(life: Life, message: RaftMessage): void {
    for (const listener of this.listeners) listener(life, message);
    const to = this.hosts.get(message.to);
    if (to === undefined || to.isRetired || life.host.isRetired) return;
    this.messages++;
    const link = linkOf(life.host, to);
    if (this.blocks.has(link)) return this.refuse(life, message.to, link);
    const { plan, weather, random } = this;
    if (random.float() < this.lossAlways + weather.loss) return;
    this.out.reset();
    encodeMessage(this.out, message);
    const bytes = this.out.finish();
    const heldMs = this.heldBackMs(message);
    this.deliver(life, to, link, bytes, heldMs);
    // A forwarded proposal is the one message that counts twice if it comes twice. The connections of the real transport
    // repeat nothing, and neither etcd nor Raft promises more.
    if (message.type === MessageType.Prop) return;
    if (random.float() < plan.netDuplicate + weather.duplicate)
      this.deliver(life, to, link, copyBytes(bytes), 0);
  }

  /** Members have several connections to each other; what is held back on one is overtaken by the others. */
  private heldBackMs(message: RaftMessage): number {
    const { weather, random } = this;
    let ms = 0;
    if (weather.heldBack > 0 && random.float() < weather.heldBack) ms += around(random, HELD_BACK_MS);
    if (weather.voteDelayMs > 0 && message.type === MessageType.Vote)
      ms += random.float() * weather.voteDelayMs;
    return ms;
  }

  private deliver(life: Life, to: Host, link: number, bytes: Uint8Array, heldMs: number): void {
    const busy = Math.max(0, life.busyUntil - this.world.now);
    const slowness = (this.slowHosts.get(life.host)?.outMs ?? 0) + (this.slowHosts.get(to)?.inMs ?? 0);
    let arrival = this.world.now + busy + this.delay() + slowness;
    if (heldMs > 0) arrival += heldMs;
    else if (!this.plan.netReorders) {
      arrival = Math.max(arrival, (this.lastArrival.get(link) ?? 0) + 0.001);
      this.lastArrival.set(link, arrival);
    }
    const target = to.life;
    if (target === undefined) return;
    const receive = (): void => {
      const { running } = target;
      if (running === undefined || this.blocks.has(link)) return;
      running.member.driver.receive(decodeMessage(bytes));
    };
    this.world.after(arrival - this.world.now, EventKind.Message, receive, target);
  }

  /** Nothing goes through. A sender whose connection broke hears of it; on a half-open one it does not. */
  private refuse(life: Life, to: MemberId, link: number): void {
    if (this.halfOpen.has(link) || this.random.below(4) !== 0) return;
    const report = (): void => {
      if (life.running !== undefined) life.running.member.driver.node.reportUnreachable(to);
    };
    this.world.after(this.delay(), EventKind.Message, report, life);
  }

  private sendImage(life: Life, snapshot: OutgoingSnapshot): void {
    const to = this.hosts.get(snapshot.message.to);
    const transfer = new ImageTransfer(this.world, this, life, to, snapshot);
    if (this.random.float() < this.imageCut) transfer.cutAfter(this.random.below(6));
    else if (this.lateImages > 0) {
      this.lateImages--;
      transfer.beLate(around(this.random, LATE_IMAGE_MS));
    }
    transfer.start();
  }
}

function linkOf(from: Host, to: Host): number {
  return from.place * 64 + to.place;
}
