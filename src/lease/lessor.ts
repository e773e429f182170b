// The lessor: all leases of the cluster as this member knows them. Grants, revocations and checkpoints arrive through
// the log and happen on every member alike; time counts on one of them only, the primary, which is the raft leader. On
// the others a lease has no end, so that no member but the leader can judge one expired, and when a member becomes the
// leader it gives every lease its full time again (or what the last checkpoint left) plus an election timeout: nobody
// knows how much of it was used up before. Keys therefore live at least their TTL, and a little longer when leaders
// change.
//
// Time is an argument: milliseconds on a clock that never goes back. Leases are stored in bucket `lease`; which keys
// belong to which lease is not: the store tells that when it is restored, because every key carries its lease.

import {
  ErrLeaseExist,
  ErrLeaseNotFound,
  ErrLeaseTTLTooLarge,
  type LeaseId,
  NO_LEASE,
  type RpcError,
} from "#proto";
import { Checkpoints, type LeaseCheckpoint } from "./checkpoints.js";
import { Expiry } from "./expiry.js";
import { FOREVER, Lease } from "./lease.js";
import {
  CHECKPOINT_INTERVAL_MS,
  EXPIRED_PER_PASS_MAX,
  SPREAD_FROM,
  SPREAD_PER_SECOND,
  TTL_SECONDS_MAX,
} from "./limits.js";
import { mutations } from "./mutations.js";
import { decodeLease, encodeLease, leaseKey } from "./record.js";
import { spreadExpiries } from "./spread.js";

/** The part of the backend that leases live in. */
export interface LeaseBackend {
  put(bucket: "lease", key: Uint8Array, value: Uint8Array): void;
  delete(bucket: "lease", key: Uint8Array): void;
  scan(bucket: "lease", visit: (key: Uint8Array, value: Uint8Array) => boolean | undefined): void;
}

export interface LessorOptions {
  /** Least TTL in seconds; see `ttlSecondsMin`. */
  readonly ttlMin: number;
  /** How long a proposed revocation may stay unconfirmed. */
  readonly revokeRetryMs: number;
  /** Gate LeaseCheckpoint: propose checkpoints while primary. */
  readonly checkpoints: boolean;
  readonly checkpointIntervalMs?: number;
  /** Whether checkpoints are stored: gate LeaseCheckpointPersist, or a cluster version from 3.6 on. Asked at each one, and
   *  equal on all members at the same place of the log. */
  readonly storesCheckpoints: () => boolean;
}

/** The least TTL for an election timeout, in seconds: a lease must outlive an election. */
export function ttlSecondsMin(electionTimeoutMs: number): number {
  return Math.ceil((3 * electionTimeoutMs) / 2 / 1000);
}

export type GrantOutcome =
  | { readonly ok: true; readonly ttl: number }
  | { readonly ok: false; readonly error: RpcError };

/** Why a lease was not renewed. `expired`: its revocation is under way, the answer is "not found" once that is
 *  applied. `checkpointed`: a checkpoint with remaining TTL 0 must be applied first, then renew again. */
export type RenewFailure = "not found" | "not primary" | "expired" | "checkpointed";

export class Lessor {
  isPrimary = false;

  // Read by metrics.
  grantedTotal = 0;
  revokedTotal = 0;
  renewedTotal = 0;

  private readonly backend: LeaseBackend;
  private readonly ttlMin: number;
  private readonly proposesCheckpoints: boolean;
  private readonly storesCheckpoints: () => boolean;
  private readonly leases = new Map<LeaseId, Lease>();
  private readonly expiry: Expiry;
  private readonly checkpoints: Checkpoints;
  /** Leases that a planted bug keeps alive for renewals; always empty otherwise. */
  private readonly ghosts = new Map<LeaseId, Lease>();

  constructor(backend: LeaseBackend, options: LessorOptions) {
    this.backend = backend;
    this.ttlMin = options.ttlMin;
    this.proposesCheckpoints = options.checkpoints;
    this.storesCheckpoints = options.storesCheckpoints;
    this.expiry = new Expiry(options.revokeRetryMs);
    this.checkpoints = new Checkpoints(options.checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS);
  }

  get size(): number {
    return this.leases.size;
  }

  get expiredTotal(): number {
    return this.expiry.expiredTotal;
  }

  /** Reads all leases from the backend, forgetting what was known; their keys must be attached again. The member is
   *  not primary afterwards. */
  restore(): void {
    this.demote();
    this.leases.clear();
    this.backend.scan("lease", (_key, value) => {
      const lease = decodeLease(value, this.ttlMin);
      this.leases.set(lease.id, lease);
      return true;
    });
  }

  // What the log brings.

  /** @param ttl seconds asked for; the least TTL is applied here */
  grant(id: LeaseId, ttl: number, nowMs: number): GrantOutcome {
    if (id === NO_LEASE) return { ok: false, error: ErrLeaseNotFound };
    if (ttl > TTL_SECONDS_MAX) return { ok: false, error: ErrLeaseTTLTooLarge };
    if (this.leases.has(id)) return { ok: false, error: ErrLeaseExist };
    const lease = new Lease(id, Math.max(ttl, this.ttlMin), 0);
    this.leases.set(id, lease);
    this.ghosts.delete(id);
    if (this.isPrimary) this.refresh(lease, 0, nowMs);
    this.persist(lease);
    this.grantedTotal++;
    return { ok: true, ttl: lease.ttl };
  }

  /** Ends a lease. @returns its keys in order, for the store to delete in one revision; undefined for an unknown one */
  revoke(id: LeaseId): readonly Uint8Array[] | undefined {
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    this.leases.delete(id);
    this.expiry.forget(lease);
    this.checkpoints.forget(lease);
    this.backend.delete("lease", leaseKey(id));
    this.revokedTotal++;
    if (mutations.keepAliveSuccessAfterRevoke) this.ghosts.set(id, lease);
    return lease.sortedKeys();
  }

  /** Takes over how much of a lease is left. 0 clears. @returns false for an unknown lease */
  checkpoint(id: LeaseId, remainingTtl: number, nowMs: number): boolean {
    const lease = this.leases.get(id);
    if (lease === undefined) return false;
    if (mutations.checkpointLost) return true;
    lease.remainingTtl = remainingTtl;
    if (this.storesCheckpoints()) this.persist(lease);
    if (this.isPrimary && this.proposesCheckpoints) this.checkpoints.schedule(lease, nowMs);
    return true;
  }

  // The store's view: which key belongs to which lease.

  exists(id: LeaseId): boolean {
    return this.leases.has(id);
  }

  attach(id: LeaseId, key: Uint8Array): void {
    this.leases.get(id)?.attach(key);
  }

  /** A lease that has just been revoked is gone by the time the store deletes its keys. */
  detach(id: LeaseId, key: Uint8Array): void {
    this.leases.get(id)?.detach(key);
  }

  // What clients ask.

  /** Gives a lease its full time again. Only the primary can. */
  renew(id: LeaseId, nowMs: number): Lease | RenewFailure {
    if (!this.isPrimary) return "not primary";
    const lease = this.leases.get(id);
    if (lease === undefined) return this.ghosts.get(id) ?? "not found";
    if (lease.expiryMs <= nowMs) return "expired";
    if (lease.remainingTtl > 0) return "checkpointed";
    this.refresh(lease, 0, nowMs);
    this.renewedTotal++;
    return lease;
  }

  lookup(id: LeaseId): Lease | undefined {
    return this.leases.get(id);
  }

  /** Whole seconds left of a lease, 0 when it has expired and is not revoked yet. Meaningful on the primary only. */
  timeToLive(lease: Lease, nowMs: number): number {
    return Math.max(0, Math.floor((lease.expiryMs - nowMs) / 1000));
  }

  /** All ids, those that end first in front; on a member that is not primary in order of id. */
  list(): LeaseId[] {
    const sorted = Array.from(this.leases.values()).sort(byEnd);
    return sorted.map((lease) => lease.id);
  }

  // Leadership and time.

  /** This member became the leader: every lease starts anew, `extendMs` longer. */
  promote(nowMs: number, extendMs: number): void {
    this.isPrimary = true;
    this.expiry.clear();
    this.checkpoints.clear();
    for (const lease of this.leases.values()) this.refresh(lease, extendMs, nowMs);
    if (this.leases.size < SPREAD_FROM) return;
    const sorted = Array.from(this.leases.values()).sort(byEnd);
    const times = spreadExpiries(sorted, SPREAD_PER_SECOND);
    for (let i = 0; i < sorted.length; i++) this.expiry.schedule(sorted[i], times[i]);
  }

  /** This member is not the leader any more: leases have no end here, and nothing is revoked from here. */
  demote(): void {
    this.isPrimary = false;
    this.expiry.clear();
    this.checkpoints.clear();
    for (const lease of this.leases.values()) lease.expiryMs = FOREVER;
  }

  /** The leases to propose revocations for now. To be called every tick, and again when a revocation was applied;
   *  what it returned counts as under way until `revoke` or until the retry time. */
  expired(nowMs: number, limit = EXPIRED_PER_PASS_MAX): LeaseId[] {
    return this.isPrimary ? this.expiry.take(nowMs, limit) : [];
  }

  /** A revocation that `expired` asked for was refused; it is asked for again soon. */
  revocationRefused(id: LeaseId, nowMs: number): void {
    const lease = this.leases.get(id);
    if (lease !== undefined) this.expiry.refused(lease, nowMs);
  }

  /** The earliest moment at which `expired` may return something, FOREVER when there is none. */
  get nextExpiryMs(): number {
    return this.isPrimary ? this.expiry.nextMs : FOREVER;
  }

  /** The checkpoints to propose now, as one entry. To be called every tick. */
  dueCheckpoints(nowMs: number): LeaseCheckpoint[] {
    return this.isPrimary && this.proposesCheckpoints ? this.checkpoints.take(nowMs) : [];
  }

  /** Short deterministic text, a line per lease by id. */
  describe(nowMs: number): string {
    const sorted = Array.from(this.leases.values()).sort(byId);
    const lines = sorted.map((lease) => `\n  ${lease.describe(nowMs)}`);
    return `${this.isPrimary ? "primary" : "not primary"} leases=${this.leases.size}${lines.join("")}`;
  }

  private refresh(lease: Lease, extendMs: number, nowMs: number): void {
    this.expiry.schedule(lease, nowMs + extendMs + lease.effectiveTtl * 1000);
    if (this.proposesCheckpoints) this.checkpoints.schedule(lease, nowMs);
  }

  private persist(lease: Lease): void {
    this.backend.put("lease", leaseKey(lease.id), encodeLease(lease));
  }
}

function byId(a: Lease, b: Lease): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function byEnd(a: Lease, b: Lease): number {
  return a.expiryMs === b.expiryMs ? byId(a, b) : a.expiryMs - b.expiryMs;
}
