// What the driver's loop and the applier call: every step of raft's output, and what it means to the parts of a member. The
// order within a step is the order in which the parts may rely on each other.

import type { Entry, HardState, LeaseId, RaftMessage, Snapshot } from "#proto";
import type { ApplyListener } from "./applier.js";
import type { StateMachine } from "./driver.js";
import type { Member } from "./member.js";

export class MemberStateMachine implements StateMachine, ApplyListener {
  private readonly member: Member;
  /** The term that watch responses carry. */
  private announcedTerm = 0;
  private hasTurned = false;

  constructor(member: Member) {
    this.member = member;
  }

  applyCommitted(entries: readonly Entry[]): void {
    const { member } = this;
    const { applying } = member;
    applying.apply(entries);
    if (member.isLeader) member.leases.onAppliedAsLeader(applying.appliedTerm, member.term);
    member.reads.onApplied(applying.appliedIndex);
    member.committer.onApplied();
    member.snapshots.onApplied(entries);
  }

  announceSnapshot(snapshot: Snapshot, state: HardState | undefined): Promise<void> {
    return this.member.snapshots.announce(snapshot, state);
  }

  async installSnapshot(snapshot: Snapshot): Promise<void> {
    const { member } = this;
    member.committer.hold();
    await member.snapshots.install(snapshot);
    member.lessor.restore();
    member.store.restore();
    member.alarms.restore();
    member.cluster.restore();
    member.removal.check();
    member.compaction.start();
    member.hub.requeueAll();
    member.applying.onInstalled(snapshot.index, snapshot.term);
    member.committer.release(snapshot.index, snapshot.term);
    member.metrics.onSnapshotInstalled(snapshot.index);
    member.reads.onApplied(snapshot.index);
  }

  sendSnapshot(message: RaftMessage): void {
    this.member.images.send(message);
  }

  onReadConfirmed(attempt: number, index: number): void {
    this.member.reads.onConfirmed(attempt, index, this.member.appliedIndex);
  }

  onLeadership(): void {
    const { member } = this;
    member.metrics.onLeadership(member.leader, member.hasLeader);
    member.reads.onLeaderChanged();
    if (member.isLeader) member.publisher.proposeVersion();
    else member.leases.onLeadershipLost();
  }

  onDropped(counter: number): void {
    this.member.proposals.onDropped(counter);
  }

  nextReadAttempt(): number {
    return this.member.reads.nextAttempt(this.member.clock.now());
  }

  onTurnEnd(): void {
    const { member } = this;
    if (!this.hasTurned) this.onFirstTurn();
    if (member.term !== this.announcedTerm) {
      this.announcedTerm = member.term;
      member.hub.setHeader(member.cluster.id, member.cluster.localId, member.term);
    }
    member.onFlush();
  }

  onCompactionScheduled(): void {
    this.member.hub.compacted();
    this.member.compaction.onScheduled();
  }

  onLeaseGranted(ttlSeconds: number): void {
    this.member.metrics.leaseTtl.observe(ttlSeconds);
  }

  onLeaseRevoked(id: LeaseId): void {
    this.member.leases.onRevoked(id);
  }

  onAlarmsChanged(): void {
    this.member.logger.warn("alarms changed", { alarms: this.member.alarmNames() });
  }

  /** Alone, nobody can be disturbed by an election: no need to wait for a timeout. */
  private onFirstTurn(): void {
    this.hasTurned = true;
    const { config, cluster, driver } = this.member;
    if (!config.initialElectionTickAdvance || !cluster.isAlone) return;
    driver.node.campaign();
    driver.schedule();
  }
}
