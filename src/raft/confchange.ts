// From one configuration to the next. Two majorities of different configurations must never decide apart from each other,
// so there are just two ways: change at most one voter (thesis §4.1: then any two majorities overlap), or go through a joint
// configuration in which both majorities are needed (thesis §4.3), and leave it with a second entry.
//
// Pure: a function of the present configuration and the change. Whether a change is allowed now (no other one unapplied)
// is the leader's business; what it means for progress is the tracker's.

import { EMPTY_BYTES, WireError, WireWriter } from "#base";
import {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
  decodeConfChange,
  decodeConfChangeV2,
  Entry,
  EntryType,
  encodeConfChange,
  encodeConfChangeV2,
  type MemberId,
  NO_MEMBER,
} from "#proto";
import { Configuration } from "./configuration.js";
import { JointQuorum } from "./quorum/joint.js";
import { Majority } from "./quorum/majority.js";

/** Either form in which a change may be proposed. */
export type AnyConfChange = ConfChange | ConfChangeV2;

export type ChangeResult =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly problem: string };

/** The V2 form of a change: a V1 change is a V2 change with one step. */
export function toV2(change: AnyConfChange): ConfChangeV2 {
  if (change instanceof ConfChangeV2) return change;
  return new ConfChangeV2(
    ConfChangeTransition.Auto,
    [new ConfChangeSingle(change.type, change.nodeId)],
    change.context,
  );
}

/** An entry, without index and term, that proposes the change. Undefined leaves a joint configuration. */
export function confChangeEntry(change: AnyConfChange | undefined): Entry {
  // Leaving has no payload at all, so that no limit on uncommitted bytes can refuse it.
  if (change === undefined) return new Entry(0, 0, EntryType.ConfChangeV2, EMPTY_BYTES);
  const w = new WireWriter(64);
  if (change instanceof ConfChange) {
    encodeConfChange(w, change);
    return new Entry(0, 0, EntryType.ConfChange, w.finish());
  }
  encodeConfChangeV2(w, change);
  return new Entry(0, 0, EntryType.ConfChangeV2, w.finish());
}

/** The change that an entry carries; undefined if its bytes are not one. Not for normal entries. */
export function confChangeOf(entry: Entry): ConfChangeV2 | undefined {
  try {
    return entry.type === EntryType.ConfChange
      ? toV2(decodeConfChange(entry.data))
      : decodeConfChangeV2(entry.data);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** Does the change leave a joint configuration? */
export function leavesJoint(change: ConfChangeV2): boolean {
  return change.transition === ConfChangeTransition.Auto && change.changes.length === 0;
}

/** The configuration after the change, or why it is not allowed. */
export function changeConfiguration(from: Configuration, change: ConfChangeV2): ChangeResult {
  if (leavesJoint(change)) return leaveJoint(from);
  if (change.transition !== ConfChangeTransition.Auto || change.changes.length > 1) {
    return enterJoint(from, change.changes, change.transition !== ConfChangeTransition.JointExplicit);
  }
  return changeSimply(from, change.changes);
}

function changeSimply(from: Configuration, changes: readonly ConfChangeSingle[]): ChangeResult {
  if (from.isJoint) return refuse("can't apply simple config change in joint config");
  const draft = new Draft(from);
  draft.apply(changes);
  if (draft.incoming.size === 0) return refuse("removed all voters");
  if (differenceCount(from.voters.incoming, draft.incoming) > 1) {
    return refuse("more than one voter changed without entering joint config");
  }
  return draft.finish();
}

function enterJoint(
  from: Configuration,
  changes: readonly ConfChangeSingle[],
  autoLeave: boolean,
): ChangeResult {
  if (from.isJoint) return refuse("config is already joint");
  if (from.voters.incoming.size === 0) return refuse("can't make a zero-voter config joint");
  const draft = new Draft(from);
  draft.outgoing = new Set(draft.incoming);
  draft.autoLeave = autoLeave;
  draft.apply(changes);
  if (draft.incoming.size === 0) return refuse("removed all voters");
  return draft.finish();
}

function leaveJoint(from: Configuration): ChangeResult {
  if (!from.isJoint) return refuse("can't leave a non-joint config");
  const draft = new Draft(from);
  for (const id of draft.learnersNext) draft.learners.add(id);
  draft.learnersNext.clear();
  draft.outgoing.clear();
  draft.autoLeave = false;
  return draft.finish();
}

function refuse(problem: string): ChangeResult {
  return { ok: false, problem };
}

function differenceCount(before: Majority, after: ReadonlySet<MemberId>): number {
  let count = 0;
  for (const id of before.ids) if (!after.has(id)) count++;
  for (const id of after) if (!before.has(id)) count++;
  return count;
}

/** A configuration under construction. Changes always concern the incoming half. */
class Draft {
  readonly incoming: Set<MemberId>;
  outgoing: Set<MemberId>;
  readonly learners: Set<MemberId>;
  readonly learnersNext: Set<MemberId>;
  autoLeave: boolean;

  constructor(from: Configuration) {
    this.incoming = new Set(from.voters.incoming.ids);
    this.outgoing = new Set(from.voters.outgoing.ids);
    this.learners = new Set(from.learners);
    this.learnersNext = new Set(from.learnersNext);
    this.autoLeave = from.autoLeave;
  }

  apply(changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      // The application sets the id to zero when it refuses a change that is already in the log.
      if (nodeId === NO_MEMBER) continue;
      if (type === ConfChangeType.AddNode) this.makeVoter(nodeId);
      else if (type === ConfChangeType.AddLearnerNode) this.makeLearner(nodeId);
      else if (type === ConfChangeType.RemoveNode) this.remove(nodeId);
    }
  }

  private makeVoter(id: MemberId): void {
    this.learners.delete(id);
    this.learnersNext.delete(id);
    this.incoming.add(id);
  }

  private makeLearner(id: MemberId): void {
    this.remove(id);
    // Nobody may be voter and learner at once: who still votes in the outgoing half has to wait until that is left.
    if (this.outgoing.has(id)) this.learnersNext.add(id);
    else this.learners.add(id);
  }

  private remove(id: MemberId): void {
    this.incoming.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
  }

  finish(): ChangeResult {
    const voters = new JointQuorum(Majority.of(this.incoming), Majority.of(this.outgoing));
    const configuration = new Configuration(voters, this.learners, this.learnersNext, this.autoLeave);
    const problem = configuration.problem();
    return problem === undefined ? { ok: true, configuration } : refuse(problem);
  }
}
