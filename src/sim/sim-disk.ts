// The disk of a member: MemoryDisk, whose operations take virtual time and fail or cut the power when told to. The pages
// survive the member; each life gets a fresh MemoryDisk over them, so that a life that is over cannot touch them.

import type { SeededRandom } from "#base";
import { type DiskOperation, type DiskPlan, MemoryDisk } from "#storage";
import { EventKind } from "./event-queue.js";
import type { Life } from "./life.js";
import type { World } from "./world.js";

/** Milliseconds that operations take. */
export interface DiskSpeed {
  readonly writeMs: number;
  readonly syncMs: number;
}

/** What is to go wrong. */
export interface DiskTrouble {
  /** Operations from now until it happens; 1 is the next one. */
  countdown: number;
  readonly kind: "EIO" | "ENOSPC" | "crash" | "power loss";
  /** It goes on happening until the trouble is taken away. */
  readonly lasts: boolean;
}

export class SimDisk {
  pages = new MemoryDisk();
  /** Added to every sync while the disk is slow. */
  slowSyncMs = 0;
  trouble: DiskTrouble | undefined;
  operations = 0;
  private readonly world: World;
  private readonly speed: DiskSpeed;
  private readonly random: SeededRandom;

  constructor(world: World, speed: DiskSpeed, random: SeededRandom) {
    this.world = world;
    this.speed = speed;
    this.random = random;
  }

  /** The disk for a new life. */
  open(life: Life): MemoryDisk {
    const { pages } = this;
    pages.wallTime = () => life.clock.wallTime();
    pages.plan = (operation) => this.plan(operation, life);
    return pages;
  }

  /** The process was killed: what it wrote is still in the page cache. */
  kill(): void {
    this.pages = this.pages.kill();
  }

  /** The power went: what was not synced is there or not. */
  losePower(): void {
    this.pages = this.pages.crash(this.random);
  }

  /** Everything is gone, as after a change of the disk. */
  wipe(): void {
    this.pages = new MemoryDisk();
  }

  private plan(operation: DiskOperation, life: Life): DiskPlan {
    this.operations++;
    if (life.isOver) return {};
    const fail = this.strike(operation, life);
    const took = this.duration(operation);
    if (operation.isSync) {
      life.busyUntil = Math.max(life.busyUntil, this.world.now) + took;
      return fail === undefined ? {} : { fail };
    }
    const delay = (complete: () => void): void => {
      this.world.after(took, EventKind.Disk, complete, life);
    };
    return fail === undefined ? { delay } : { fail, delay };
  }

  private strike(operation: DiskOperation, life: Life): string | undefined {
    const { trouble } = this;
    if (trouble === undefined) return undefined;
    if (trouble.kind === "ENOSPC" && !needsSpace(operation)) return undefined;
    if (trouble.countdown > 1) {
      trouble.countdown--;
      return undefined;
    }
    if (!trouble.lasts) this.trouble = undefined;
    if (trouble.kind === "crash" || trouble.kind === "power loss") {
      this.world.say(() => `m${life.host.place} loses power in ${operation.kind} ${operation.path}`);
      life.host.crash(trouble.kind, `in ${operation.kind} ${operation.path}`);
      return undefined;
    }
    life.diskFailed = true;
    this.world.say(() => `m${life.host.place} ${trouble.kind} in ${operation.kind} ${operation.path}`);
    return trouble.kind;
  }

  private duration(operation: DiskOperation): number {
    const spread = 0.5 + this.random.float();
    switch (operation.kind) {
      case "sync":
      case "datasync":
      case "syncdir":
        return this.speed.syncMs * spread + this.slowSyncMs;
      default:
        return this.speed.writeMs * spread;
    }
  }
}

function needsSpace(operation: DiskOperation): boolean {
  return operation.kind === "write" || operation.kind === "open" || operation.kind === "mkdir";
}
