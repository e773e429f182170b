// The bugs that can be planted in this room. Each breaks exactly one rule of the paper, which its explanation names, at
// exactly one place.

import { PlantedBugs } from "#base";

export const raftBugs = new PlantedBugs({
  commitEarlierTermByCount: "§5.4.2: entries of earlier terms are committed by counting replicas (Figure 8)",
  voteTwiceAfterRestart:
    "§5.2: the vote is left out of the hard state, so a restarted member may vote again in its term",
  termNotPersisted: "Figure 2: currentTerm is left out of the hard state",
  readBeforeFirstCommitOfTerm:
    "§8: a new leader answers reads before it has committed an entry of its own term",
  quorumOfOldConfiguration: "thesis §4.3: in a joint configuration the old half decides alone",
  learnerCounted: "thesis §4.2.1: the acknowledgements of learners count toward commitment",
  appendOutOfOrderAccepted: "§5.3: a follower appends without comparing the term of the entry before",
  installSnapshotOlderThanCommit: "§7: a snapshot below the commit index replaces the log",
  preVoteResetsTimer: "thesis §9.6: a granted pre-vote restarts the election timer, as only a real vote may",
  acknowledgedBeforeSync:
    "Figure 2: appends are acknowledged, to others and to oneself, before they are on disk",
  staleReadIndexAfterLeaderChange:
    "§8: reads that waited for a confirmation of an earlier leadership are answered in a later one",
  staleTermAccepted: "§5.1: followers take appends of an earlier term",
  secondChangeBeforeFirstApplied:
    "thesis §4.1: a second configuration change enters the log before the first one is applied",
  voteForShorterLog: "§5.4.1: votes are granted whatever the candidate's log holds",
});

export const { mutations } = raftBugs;
