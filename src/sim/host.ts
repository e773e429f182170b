// The machine of one member: a disk that outlives the process, clocks, and the process itself, life after life. Like any
// supervisor it starts the process again when it ended by itself; a process that ends without an injected reason is a
// violation.

import { Panic, type SeededRandom, SILENT } from "#base";
import type { MemberId } from "#proto";
import {
  type JoinedCluster,
  RemovedError,
  type RunningMember,
  type ServerConfig,
  Services,
  startMember,
} from "#server";
import { MemoryBackend } from "#storage";
import { EventKind } from "./event-queue.js";
import { Life } from "./life.js";
import type { Network } from "./network.js";
import { around, type Plan } from "./plan.js";
import type { Recorder } from "./recorder.js";
import { type DiskTrouble, SimDisk } from "./sim-disk.js";
import { TraceLogger } from "./trace-logger.js";
import type { World } from "./world.js";

/** The hour at which every simulation begins. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
const RESTART_MS = 1000;
/** However small the messages are, what is committed is applied in one go. */
const APPLYING_BYTES_MAX = 1024 * 1024;

export interface HostParts {
  readonly world: World;
  readonly plan: Plan;
  readonly network: Network;
  readonly recorder: Recorder;
  readonly place: number;
  readonly memberId: MemberId;
  readonly config: ServerConfig;
  readonly join: JoinedCluster | undefined;
}

export class Host {
  readonly place: number;
  readonly memberId: MemberId;
  readonly disk: SimDisk;
  readonly clockOffsetMs: number;
  readonly clockRate: number;
  wallOffsetMs: number;
  /** The present life; undefined while the process is down. */
  life: Life | undefined;
  /** Switched off for good: it was removed from the cluster. */
  isRetired = false;
  /** Not to be started until somebody says so. */
  isHeldDown = false;
  /** Nothing that others send reaches it. */
  isDeaf = false;
  private lives = 0;
  private readonly parts: HostParts;
  private readonly random: SeededRandom;

  constructor(parts: HostParts) {
    const { world, plan } = parts;
    this.parts = parts;
    this.place = parts.place;
    this.memberId = parts.memberId;
    this.random = world.fork(`host ${parts.place}`);
    this.disk = new SimDisk(
      world,
      { writeMs: plan.diskWriteMs, syncMs: plan.diskSyncMs },
      world.fork(`disk ${parts.place}`),
    );
    this.clockOffsetMs = 1000 + Math.floor(this.random.float() * 1e7);
    this.clockRate = 1 + (this.random.float() * 2 - 1) * plan.clockDrift;
    this.wallOffsetMs = EPOCH_MS + this.random.below(5000);
  }

  get isServing(): boolean {
    return this.life?.services !== undefined;
  }

  start(): void {
    const { world, plan, network, recorder, config, join, place } = this.parts;
    if (this.life !== undefined || this.isRetired || this.isHeldDown) return;
    const life = new Life(this, ++this.lives, world);
    this.life = life;
    recorder.memberEvent(life, "start");
    const ports = network.transportOf(life);
    const disk = this.disk.open(life);
    const seed = this.random.uint32();
    startMember({
      config,
      dataDir: "/data",
      walDir: "",
      disk,
      clock: life.clock,
      random: world.fork(`member ${place} ${life.number} ${seed}`),
      logger: world.trace.isVerbose ? new TraceLogger(world, life) : SILENT,
      openBackend: (directory) => MemoryBackend.open(disk, `${directory}/db.journal`),
      transport: ports,
      snapshotSender: ports,
      mainThreadSync: plan.mainThreadSync,
      join,
      bounds: {
        walSegmentBytes: plan.walSegmentBytes,
        watchQueueResponses: plan.watchQueueResponses,
        watchFragmentBytes: plan.watchFragmentBytes,
        leaseCheckpointIntervalMs: plan.leaseCheckpointIntervalMs,
        raft: {
          messageBytesMax: plan.raftMessageBytes,
          inflightMessagesMax: plan.raftInflightMessages,
          applyingBytesMax: APPLYING_BYTES_MAX,
        },
      },
      appliedHook: {
        wantsBodies: plan.comparesBodies,
        onApplied: (entry, outcome) => recorder.applied(life, entry, outcome),
        onInstalled: (index) => recorder.installed(life, index),
      },
      onFatal: (error) => this.onEnded(life, "fatal", error),
    }).then(
      (running) => this.onStarted(life, running),
      (error: unknown) => this.onEnded(life, "start failed", error),
    );
  }

  /** The process is killed, or the machine loses its power, at this moment. It is started again after a while. */
  crash(kind: "crash" | "power loss", detail = "", restartMs = 100 + around(this.random, 1500)): void {
    const { life } = this;
    if (life === undefined) {
      if (kind === "power loss") this.disk.losePower();
      return;
    }
    this.parts.recorder.memberEvent(life, kind, detail);
    this.end(life);
    if (kind === "crash") this.disk.kill();
    else this.disk.losePower();
    this.restartAfter(restartMs);
  }

  /** An orderly stop; the process is gone when the promise is fulfilled. */
  async stop(): Promise<void> {
    const { life } = this;
    if (life?.running === undefined || life.isOver) return;
    this.parts.recorder.memberEvent(life, "stop");
    life.services = undefined;
    const { running } = life;
    life.running = undefined;
    try {
      await running.stop();
    } catch (error) {
      this.onEnded(life, "fatal", error);
    }
    if (life.isOver) return;
    this.end(life);
    this.disk.kill();
    this.restartAfter(around(this.random, 1000));
  }

  pause(ms: number): void {
    const { life } = this;
    if (life === undefined) return;
    const { world, recorder } = this.parts;
    recorder.memberEvent(life, "pause", `${Math.round(ms)} ms`);
    life.busyUntil = Math.max(life.busyUntil, world.now + ms);
  }

  restartAfter(ms: number): void {
    this.parts.world.after(ms, EventKind.Host, () => this.start());
  }

  retire(): void {
    this.isRetired = true;
    if (this.life !== undefined) this.crash("crash", "removed");
  }

  describe(): string {
    const { life } = this;
    if (life === undefined) return `m${this.place} down`;
    return `m${this.place} ${life.running?.member.driver.node.describe() ?? "starting"}`;
  }

  private onStarted(life: Life, running: RunningMember): void {
    if (life.isOver) return;
    const { recorder } = this.parts;
    life.running = running;
    life.appliedIndex = running.member.appliedIndex;
    recorder.started(life);
    const { member } = running;
    member.ready().then(
      () => {
        if (life.isOver || life.running === undefined) return;
        const services = new Services(member, { stopOnDefrag: false });
        member.onFlush = () => services.watch.pump();
        life.services = services;
        recorder.memberEvent(life, "ready");
      },
      (error: unknown) => {
        // Stopped before it was ready: whoever stopped it knows why.
        this.parts.world.say(() => `m${this.place} never became ready: ${String(error)}`);
      },
    );
  }

  private onEnded(life: Life, kind: "fatal" | "start failed", error: unknown): void {
    if (life.isOver) return;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const fields = error instanceof Panic ? ` ${describeFields(error.fields)}` : "";
    const { recorder } = this.parts;
    if (error instanceof RemovedError) {
      recorder.memberEvent(life, "removed");
      this.end(life);
      this.isRetired = true;
      return;
    }
    recorder.memberEvent(life, kind, text + fields);
    if (!life.diskFailed) {
      const stack = error instanceof Error ? error.stack : undefined;
      recorder.violate("unexpected end", `m${this.place} ${kind}: ${text}${fields}`, stack);
    }
    this.end(life);
    // A disk that failed and a process that ended: the machine may well be restarted too.
    if (life.diskFailed && this.random.below(2) === 0) this.disk.losePower();
    else this.disk.kill();
    this.restartAfter(RESTART_MS);
  }

  private end(life: Life): void {
    life.end();
    life.running = undefined;
    life.services = undefined;
    this.life = undefined;
  }

  /** What goes wrong with the disk next. */
  trouble(trouble: DiskTrouble | undefined): void {
    this.disk.trouble = trouble;
  }
}

function describeFields(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
}
