// What clients have seen so far, shared by all of them, so that they ask for things that exist: revisions near the present,
// keys with the value they last had, leases that may still live.

import type { Kv, KvResult, Result } from "./history.js";

export interface KnownLease {
  readonly id: bigint;
  readonly ttl: number;
}

const LEASES_KEPT = 20;

export class Knowledge {
  /** Highest revision in any response. */
  revision = 1;
  /** Highest revision that somebody asked to compact at. */
  compacted = 0;
  readonly kvs = new Map<string, Kv>();
  readonly leases: KnownLease[] = [];

  learn(result: Result): void {
    if ("revision" in result && result.revision > this.revision) this.revision = result.revision;
    if (result.type === "leaseGrant") {
      this.leases.push({ id: result.id, ttl: result.ttl });
      if (this.leases.length > LEASES_KEPT) this.leases.shift();
    } else if (result.type === "range" || result.type === "txn") this.learnKvs(result);
  }

  forgetLease(id: bigint): void {
    const at = this.leases.findIndex((lease) => lease.id === id);
    if (at >= 0) this.leases.splice(at, 1);
  }

  private learnKvs(result: KvResult): void {
    if (result.type === "range") for (const kv of result.kvs) this.kvs.set(kv.key, kv);
    else if (result.type === "txn") for (const inner of result.responses) this.learnKvs(inner);
  }
}
