// For the tests of this room: a real member with its real log, on a disk in memory.

import { create, toBinary } from "@bufbuild/protobuf";
import { type Clock, SeededRandom, SILENT, utf8, WireWriter } from "#base";
import { decodeRangeRequest, type RpcError, rpcpb } from "#proto";
import { NODE_CLOCK } from "#rpc";
import { MemoryBackend, type MemoryDisk } from "#storage";
import type { ServerConfig } from "./config.js";
import { Operation } from "./request.js";
import { type RunningMember, startMember } from "./start.js";
import { type EntryOutcome, Waiter } from "./waiters.js";

const CONFIG: ServerConfig = {
  name: "default",
  advertiseClientUrls: ["http://127.0.0.1:2379"],
  initialAdvertisePeerUrls: ["http://127.0.0.1:2380"],
  initialCluster: "default=http://127.0.0.1:2380",
  initialClusterToken: "t",
  snapshotCount: 10_000,
  snapshotCatchupEntries: 5000,
  maxSnapshots: 5,
  maxWals: 5,
  heartbeatIntervalMs: 10,
  electionTimeoutMs: 100,
  initialElectionTickAdvance: true,
  preVote: true,
  quotaBackendBytes: 1 << 30,
  backendBatchIntervalMs: 20,
  backendBatchLimit: 10_000,
  maxTxnOps: 128,
  maxRequestBytes: 1 << 20,
  autoCompactionMode: "periodic",
  autoCompactionRetention: 0,
  compactionBatchLimit: 1000,
  compactionSleepIntervalMs: 1,
  watchProgressNotifyIntervalMs: 600_000,
  warningApplyDurationMs: 1000,
  warningUnaryRequestDurationMs: 1000,
  unsafeNoFsync: false,
  featureGates: {},
};

const NOBODY = { send(): void {}, sendSnapshot(): void {} };

export interface LifeOptions {
  readonly onMainThread?: boolean;
  readonly segmentBytes?: number;
  readonly config?: Partial<ServerConfig>;
  readonly clock?: Clock;
}

/** A member from its start to its stop. */
export class Life {
  readonly fatal: unknown[] = [];
  running!: RunningMember;

  static async begin(disk: MemoryDisk, options: LifeOptions = {}): Promise<Life> {
    const life = new Life();
    life.running = await startMember({
      config: { ...CONFIG, ...options.config },
      dataDir: "/d",
      walDir: "",
      disk,
      clock: options.clock ?? NODE_CLOCK,
      random: new SeededRandom(1),
      logger: SILENT,
      openBackend: (directory) => MemoryBackend.open(disk, `${directory}/db.journal`),
      transport: NOBODY,
      snapshotSender: NOBODY,
      mainThreadSync: options.onMainThread ?? true,
      bounds: { walSegmentBytes: options.segmentBytes ?? 1 << 20 },
      onFatal: (error) => life.fatal.push(error),
    });
    await life.running.member.ready();
    return life;
  }

  put(key: string): Promise<RpcError | undefined> {
    const request = create(rpcpb.PutRequestSchema, { key: utf8(key), value: utf8("v") });
    return this.propose(Operation.Put, toBinary(rpcpb.PutRequestSchema, request));
  }

  /** @returns what became of it: an error, or undefined */
  propose(operation: number, body: Uint8Array): Promise<RpcError | undefined> {
    return new Promise((resolve) => {
      this.running.member.propose(operation, body, new Told(resolve));
    });
  }

  has(key: string): boolean {
    const request = create(rpcpb.RangeRequestSchema, { key: utf8(key), countOnly: true });
    const out = new WireWriter(64);
    this.running.member.store.range(decodeRangeRequest(toBinary(rpcpb.RangeRequestSchema, request)), out);
    return out.length > 0;
  }
}

class Told extends Waiter {
  constructor(private readonly tell: (error: RpcError | undefined) => void) {
    super();
  }

  onApplied(outcome: EntryOutcome): void {
    this.tell(outcome.error);
  }

  onFailed(error: RpcError): void {
    this.tell(error);
  }
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never happened: ${what}`);
}
