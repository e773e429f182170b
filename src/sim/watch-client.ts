// A client that watches: a stream with some watchers, which begin in the past, now, or in the future. It stalls now and
// then, asks for progress, cancels, and when its stream breaks it opens another one, to whichever member, from where it
// was; some streams also end because the client feels like it.

import type { SeededRandom } from "#base";
import { SimStream } from "./calls.js";
import { EventKind } from "./event-queue.js";
import type { WatchAsk, WatchCreate, WatchResponseRecord, WatchStreamRecord } from "./history.js";
import type { Host } from "./host.js";
import type { ClientParts } from "./kv-client.js";
import type { Network } from "./network.js";
import { around, pick } from "./plan.js";
import type { Recorder } from "./recorder.js";
import { encodeWatchAsk } from "./requests.js";
import { decodeWatchResponse } from "./results.js";
import { KEY_PREFIX, KEYS_END, keyOf } from "./workload.js";

/** What a watcher wants, wherever it is served. */
interface Wish {
  readonly watchId: number;
  readonly key: string;
  readonly rangeEnd: string;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly fragment: boolean;
  /** Where to go on from; 0 for now. */
  startRevision: number;
}

export class WatchClient {
  private readonly id: number;
  private readonly parts: ClientParts;
  private readonly network: Network;
  private readonly recorder: Recorder;
  private readonly random: SeededRandom;
  private wishes: Wish[] = [];
  private stream: SimStream | undefined;
  private record: WatchStreamRecord | undefined;
  private isLeaving = false;
  /** In the second phase it only watches: no stalls, no changes of mind. */
  isCalm = false;

  constructor(id: number, parts: ClientParts, network: Network, recorder: Recorder) {
    this.id = id;
    this.parts = parts;
    this.network = network;
    this.recorder = recorder;
    this.random = parts.world.fork(`watch client ${id}`);
  }

  start(): void {
    this.later(this.random.float() * 3000, () => this.open());
  }

  /** Ends the stream for good. */
  leave(): void {
    this.isLeaving = true;
    if (this.stream !== undefined) this.close();
  }

  calm(): void {
    this.isCalm = true;
    this.resume();
  }

  /** Highest revision that every open watcher is known to have been told of, for the end of the run. */
  get openRecord(): WatchStreamRecord | undefined {
    return this.stream === undefined ? undefined : this.record;
  }

  private open(): void {
    if (this.isLeaving || this.stream !== undefined) return;
    const endpoints = this.parts.endpoints();
    const host = endpoints[this.random.below(endpoints.length)];
    const life = host?.life;
    if (life?.services === undefined || life.busyUntil > this.parts.world.now) {
      return this.later(200 + this.random.float() * 500, () => this.open());
    }
    this.connect(host, life.number);
  }

  private connect(host: Host, lifeNumber: number): void {
    const { world } = this.parts;
    const life = host.life;
    if (life?.services === undefined || life.number !== lifeNumber) return;
    const { watches } = this.recorder.history;
    const record: WatchStreamRecord = {
      id: watches.length,
      client: this.id,
      member: host.place,
      openedAt: world.now,
      asks: [],
      responses: [],
      stalls: [],
      endedAt: Number.POSITIVE_INFINITY,
      endReason: "",
    };
    watches.push(record);
    const stream = new SimStream(world, this.network, life, {
      onMessage: (message) => this.received(record, decodeWatchResponse(message, world.now)),
      onEnd: (reason) => this.ended(record, reason),
    });
    this.record = record;
    this.stream = stream;
    stream.observer = life.services.watch.open(stream);
    world.say(() => `w${this.id} opens watch stream ${record.id} to m${host.place}`);
    if (this.wishes.length === 0 || this.random.below(3) === 0) this.wish();
    for (const wish of this.wishes) this.create(wish);
    this.later(around(this.random, 3000), () => this.act(record));
  }

  private wish(): void {
    const { random } = this;
    const count = 1 + random.below(4);
    this.wishes = [];
    for (let i = 0; i < count; i++) this.wishes.push(this.newWish(i + 1));
  }

  private newWish(watchId: number): Wish {
    const { random, parts } = this;
    const { revision, compacted } = parts.knowledge;
    const isAll = random.below(2) === 0;
    const starts = [0, 0, revision, Math.max(1, revision - 20), compacted, compacted + 1, revision + 5, 1];
    return {
      watchId: random.below(5) === 0 ? 0 : watchId,
      key: isAll ? KEY_PREFIX : keyOf(random, parts.plan.keys),
      rangeEnd: isAll ? KEYS_END : "",
      prevKv: random.below(3) === 0,
      progressNotify: random.below(2) === 0,
      noPut: random.below(8) === 0,
      noDelete: random.below(8) === 0,
      fragment: random.below(3) === 0,
      startRevision: pick(random, starts),
    };
  }

  private create(wish: Wish): void {
    const ask: WatchCreate = { kind: "create", time: this.parts.world.now, ...wish };
    this.ask(ask);
  }

  private ask(ask: WatchAsk): void {
    this.record?.asks.push(ask);
    this.parts.world.say(() => `w${this.id} asks ${JSON.stringify(ask)}`);
    this.stream?.ask(encodeWatchAsk(ask));
  }

  private received(record: WatchStreamRecord, response: WatchResponseRecord): void {
    const { world } = this.parts;
    record.responses.push(response);
    world.trace.mix(response.revision, response.events.length);
    world.say(() => `w${this.id} stream ${record.id} gets ${describeResponse(response)}`);
    const wish = this.wishes.find((one) => one.watchId === response.watchId);
    if (wish === undefined) return;
    const last = response.events.at(-1);
    if (last !== undefined) wish.startRevision = last.kv.modRevision + 1;
    else if (response.created && wish.startRevision === 0) wish.startRevision = response.revision + 1;
    if (response.canceled) wish.startRevision = Math.max(wish.startRevision, response.compactRevision);
  }

  private ended(record: WatchStreamRecord, reason: "member" | "network" | "server"): void {
    const { world } = this.parts;
    record.endedAt = world.now;
    record.endReason = reason;
    for (const stall of record.stalls) stall.to = Math.min(stall.to, world.now);
    world.say(() => `w${this.id} stream ${record.id} ended by ${reason}`);
    if (this.record !== record) return;
    this.stream = undefined;
    this.later(around(this.random, 300), () => this.open());
  }

  private close(): void {
    const { record, stream } = this;
    if (record === undefined || stream === undefined) return;
    stream.cancel();
    record.endedAt = this.parts.world.now;
    record.endReason = "client";
    this.stream = undefined;
  }

  /** Something that a client may do in the middle of a stream. */
  private act(record: WatchStreamRecord): void {
    if (this.record !== record || this.stream === undefined || this.isLeaving) return;
    if (!this.isCalm) this.actOnce(record);
    this.later(around(this.random, 3000), () => this.act(record));
  }

  private actOnce(record: WatchStreamRecord): void {
    const { random, parts } = this;
    switch (random.below(6)) {
      case 0:
        return this.ask({ kind: "progress", time: parts.world.now });
      case 1: {
        const { watchId } = pick(random, this.wishes);
        if (watchId !== 0) this.ask({ kind: "cancel", time: parts.world.now, watchId });
        return;
      }
      case 2:
      case 3: {
        if (record.stalls.at(-1)?.to === Number.POSITIVE_INFINITY) return;
        record.stalls.push({ from: parts.world.now, to: Number.POSITIVE_INFINITY });
        this.stream?.stall();
        return this.later(around(random, 4000), () => this.resume());
      }
      case 4:
        this.close();
        return this.later(around(random, 300), () => this.open());
      default:
        if (random.below(3) === 0) this.stream?.break("network");
    }
  }

  private resume(): void {
    const stall = this.record?.stalls.at(-1);
    if (stall === undefined || stall.to !== Number.POSITIVE_INFINITY) return;
    stall.to = this.parts.world.now;
    this.stream?.resume();
  }

  private later(ms: number, run: () => void): void {
    this.parts.world.after(ms, EventKind.Client, run);
  }
}

function describeResponse(response: WatchResponseRecord): string {
  const { watchId, revision, created, canceled, cancelReason, compactRevision, fragment, events } = response;
  const flags = `${created ? " created" : ""}${canceled ? ` canceled (${cancelReason}) ${compactRevision}` : ""}`;
  const texts = events.map(({ type, kv }) => `${type} ${kv.key}@${kv.modRevision}`);
  return `watch ${watchId} at ${revision}${flags}${fragment ? " fragment" : ""} ${texts.join(", ")}`;
}
