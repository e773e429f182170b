// Putting a configuration in force, once the entry that carries it has been applied (etcd's choice; the paper does it when
// the entry is appended). The commit index, and with it what may be sent, can move because of the new quorum alone.

import { panic } from "#base";
import { type ConfState, NO_MEMBER } from "#proto";
import { type AnyConfChange, changeConfiguration, toV2 } from "./confchange.js";
import type { Configuration } from "./configuration.js";
import type { Raft } from "./raft.js";
import { answerConfirmedReads, releaseReads } from "./reads.js";
import { broadcastAppend, maybeCommit, maybeSendAppend } from "./replication.js";
import { Role } from "./role.js";
import { abortTransfer } from "./transfer.js";

/** Applies a committed change. An impossible one stops the member: all members would have to agree on what it means. */
export function applyConfChange(raft: Raft, change: AnyConfChange): ConfState {
  // A snapshot has arrived while the entry was on its way to be applied. It lies behind the entry and its configuration, in
  // force already, has the change in it.
  if (raft.log.unstable.snapshot !== undefined) return raft.tracker.configuration.toConfState();
  const result = changeConfiguration(raft.tracker.configuration, toV2(change));
  if (!result.ok) {
    panic("impossible configuration change", {
      problem: result.problem,
      configuration: raft.tracker.configuration.describe(),
    });
  }
  return switchConfiguration(raft, result.configuration);
}

export function switchConfiguration(raft: Raft, configuration: Configuration): ConfState {
  const { tracker } = raft;
  tracker.switchTo(configuration, raft.log.lastIndex());
  raft.isLearner = configuration.isLearner(raft.id);
  const state = configuration.toConfState();
  if (raft.role !== Role.Leader) return state;
  if (!configuration.voters.has(raft.id)) {
    // Removed or demoted while leading (§6): without stepping down it goes on leading a cluster that it is no part of,
    // until the others elect somebody else.
    if (raft.config.stepDownOnRemoval) raft.becomeFollower(raft.term, NO_MEMBER);
    return state;
  }
  if (maybeCommit(raft)) {
    releaseReads(raft);
    broadcastAppend(raft);
  } else {
    // Let new members hear of us now rather than at the next heartbeat.
    for (const member of tracker.members) if (member.id !== raft.id) maybeSendAppend(raft, member, false);
  }
  if (raft.transferee !== NO_MEMBER && !configuration.voters.has(raft.transferee)) abortTransfer(raft);
  answerConfirmedReads(raft);
  return state;
}
