// Ends expired leases. Only the leader judges a lease expired, and it does so by proposing a revocation like any other
// write: the entry carries the proposer's term through raft, so a leader that was deposed meanwhile revokes nothing.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Clock, Logger } from "#base";
import type { Lessor } from "#lease";
import { type LeaseId, type RpcError, rpcpb } from "#proto";
import { LEASE_REVOKES_IN_FLIGHT } from "./limits.js";
import { Operation } from "./request.js";
import { Waiter } from "./waiters.js";

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

  /** Applied: the lease is gone, by this revocation or, if that was refused, by a client's. */
  onApplied(): void {
    this.inFlight--;
    // More may have been waiting for a place.
    this.tick();
  }

  /** The lessor lists the lease again after a while; trying the next one at once would only meet the same refusal. */
  onFailed(id: LeaseId, error: RpcError): void {
    this.inFlight--;
    this.lessor.revocationRefused(id, this.clock.now());
    this.logger.warn("failed to revoke lease", { "lease-id": id, error: error.message });
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

  onApplied(): void {
    this.revoker.onApplied();
  }

  onFailed(error: RpcError): void {
    this.revoker.onFailed(this.id, error);
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
