// The first log of a new cluster. Every initial member writes the same entries on its own, one addition per member in
// ascending order of id, all of term 1 and committed from the start; elections begin with term 2.

import { panic } from "#base";
import { ConfChange, ConfChangeType, type MemberId, NO_MEMBER } from "#proto";
import { confChangeEntry } from "./confchange.js";
import type { Raft } from "./raft.js";
import { applyConfChange } from "./reconfigure.js";

export interface BootstrapPeer {
  readonly id: MemberId;
  /** Goes into the change that adds this member; what it means is the application's business. */
  readonly context: Uint8Array;
}

export function bootstrap(raft: Raft, peers: readonly BootstrapPeer[]): void {
  if (peers.length === 0) panic("bootstrap of a cluster without members");
  if (raft.log.lastIndex() !== 0)
    panic("bootstrap of a log that is not empty", { lastIndex: raft.log.lastIndex() });
  raft.becomeFollower(1, NO_MEMBER);
  const sorted = [...peers].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const changes = sorted.map(({ id, context }) => new ConfChange(0n, ConfChangeType.AddNode, id, context));
  const entries = changes.map(confChangeEntry);
  entries.forEach((entry, i) => {
    entry.term = 1;
    entry.index = i + 1;
  });
  raft.log.append(entries);
  raft.log.commitTo(entries.length);
  // In force at once, so that the member can stand for election; the application applies them again, to no effect.
  for (const change of changes) applyConfChange(raft, change);
}
