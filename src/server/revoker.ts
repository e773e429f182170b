// Ends expired leases. Only the leader judges a lease expired, and it does so by proposing a revocation like any other
// write: the entry carries the proposer's term through raft, so a leader that was deposed meanwhile revokes nothing.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Clock, Logger } from "#base";
import type { Lessor } from "#lease";
import { type LeaseId, type RpcError, rpcpb } from "#proto";
import { LEASE_REVOKES_IN_FLIGHT } from "./limits.js";
import { Operation } from "./request.js";
import { type EntryOutcome, Waiter } from "./waiters.js";

/** How the revoker proposes. */
export interface Proposer {
  propose(field: number, body: Uint8Array, waiter: Waiter, onlyAsLeader?: boolean): void;
}

export class Revoker {
  private readonly lessor: Lessor;
  private readonly clock: Clock;
  private readonly proposer: Proposer;
  private readonly logger: Logger;
  private inFlight = 0;

  constructor(lessor: Lessor, clock: Clock, proposer: Proposer, logger: Logger) {
    this.lessor = lessor;
    this.clock = clock;
    this.proposer = proposer;
    this.logger = logger;
  }

  /** Proposes what is due, as far as the bound on revocations in flight allows. */
  tick(): void {
    if (!this.lessor.isPrimary || this.inFlight >= LEASE_REVOKES_IN_FLIGHT) return;
    for (const id of this.lessor.expired(this.clock.now(), LEASE_REVOKES_IN_FLIGHT - this.inFlight)) {
      this.inFlight++;
      const body = toBinary(
        rpcpb.LeaseRevokeRequestSchema,
        create(rpcpb.LeaseRevokeRequestSchema, { ID: id }),
      );
      this.proposer.propose(Operation.LeaseRevoke, body, new Revocation(this, id), true);
    }
  }

  /** Proposes the remaining times that other members should know, if checkpoints are on. */
  tickCheckpoints(): void {
    const due = this.lessor.dueCheckpoints(this.clock.now());
    if (due.length === 0) return;
    const checkpoints = due.map(({ id, remainingTtl }) =>
      create(rpcpb.LeaseCheckpointSchema, { ID: id, remainingTTL: BigInt(remainingTtl) }),
    );
    const body = toBinary(
      rpcpb.LeaseCheckpointRequestSchema,
      create(rpcpb.LeaseCheckpointRequestSchema, { checkpoints }),
    );
    this.proposer.propose(Operation.LeaseCheckpoint, body, new Ignored(), true);
  }

  onDone(id: LeaseId, error: RpcError | undefined): void {
    this.inFlight--;
    if (error !== undefined)
      this.logger.warn("failed to revoke lease", { "lease-id": id, error: error.message });
    // More may have been waiting for a place.
    this.tick();
  }
}

class Revocation extends Waiter {
  private readonly revoker: Revoker;
  private readonly id: LeaseId;

  constructor(revoker: Revoker, id: LeaseId) {
    super();
    this.revoker = revoker;
    this.id = id;
  }

  onApplied(outcome: EntryOutcome): void {
    this.revoker.onDone(this.id, outcome.error);
  }

  onFailed(error: RpcError): void {
    this.revoker.onDone(this.id, error);
  }
}

/** Checkpoints are repeated at their interval; nobody waits for one. */
class Ignored extends Waiter {
  onApplied(): void {
    // Applied is all that was wanted.
  }

  onFailed(): void {
    // The next round proposes what is due then.
  }
}
