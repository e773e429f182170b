// What a run's outward signs say of Raft's invariants. The state of the members at each step (terms, commit indexes, the
// length of a leader's log) is checked while the run goes on; here is what only the whole history shows.
//
//   election safety        at most one leader in a term; terms of leaders that come later are not lower on one member
//   log matching           one entry per index, with one term (with state machine safety, which is "agreement")
//   terms of the log       never fall along it, and each belongs to a leader of the history
//   leader completeness    once an entry of a term is applied anywhere, entries of lower terms take no later index, and
//                          all that was applied before a leader's first entry lies before it
//   commit is for good     the order of first application is the order of the log
//
// Source: Raft paper, Figure 3; thesis chapter 3. Left out: vote counts and quorums, of which no record is kept.

import { EntryType } from "#proto";
import type { CommittedEntry, History, MemberEvent } from "../history.js";
import type { Checker } from "./checker.js";
import { Report } from "./report.js";

const NAME = "raft history";
/** Members of the first configuration are entries of this term, which nobody led. */
const BOOTSTRAP_TERM = 1;

export const raftHistory: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    const leaders = checkElections(history, report);
    checkLog(history, leaders, report);
    checkLeaderCompleteness(history, leaders, report);
    return report.violations;
  },
};

function checkElections(history: History, report: Report): Map<number, MemberEvent> {
  const leaders = new Map<number, MemberEvent>();
  const lastTerm = new Map<number, number>();
  for (const event of history.memberEvents) {
    if (event.kind !== "leader") continue;
    const term = Number(event.detail);
    const other = leaders.get(term);
    if (other !== undefined && other.member !== event.member)
      report.add(
        `members ${other.member} and ${event.member} both led term ${term}`,
        event.time,
        other,
        event,
      );
    const before = lastTerm.get(event.member) ?? 0;
    if (term < before)
      report.add(`member ${event.member} led term ${term} after term ${before}`, event.time, event);
    lastTerm.set(event.member, Math.max(term, before));
    if (other === undefined) leaders.set(term, event);
  }
  return leaders;
}

function entriesOf(history: History): CommittedEntry[] {
  return Array.from(history.log.values()).sort((a, b) => a.index - b.index);
}

function checkLog(history: History, leaders: ReadonlyMap<number, MemberEvent>, report: Report): void {
  let previous: CommittedEntry | undefined;
  for (const entry of entriesOf(history)) {
    const { index, term, firstAppliedAt } = entry;
    if (previous !== undefined && term < previous.term)
      report.add(
        `entry ${index} is of term ${term}, entry ${previous.index} of ${previous.term}`,
        firstAppliedAt,
        entry,
      );
    if (previous !== undefined && firstAppliedAt < previous.firstAppliedAt)
      report.add(
        `entry ${index} was applied before entry ${previous.index} was`,
        firstAppliedAt,
        previous,
        entry,
      );
    const isBootstrap = term === BOOTSTRAP_TERM && entry.type !== EntryType.Normal;
    const leader = leaders.get(term);
    if (!isBootstrap && leader === undefined)
      report.add(`entry ${index} is of term ${term}, which nobody led`, firstAppliedAt, entry);
    else if (!isBootstrap && leader !== undefined && firstAppliedAt < leader.time)
      report.add(
        `entry ${index} of term ${term} was applied before that term had a leader`,
        firstAppliedAt,
        entry,
        leader,
      );
    previous = entry;
  }
}

/** What was applied anywhere before a leader came to be is in its log, hence below its own first entry. */
function checkLeaderCompleteness(
  history: History,
  leaders: ReadonlyMap<number, MemberEvent>,
  report: Report,
): void {
  const entries = entriesOf(history);
  const firstOfTerm = new Map<number, CommittedEntry>();
  for (const entry of entries) if (!firstOfTerm.has(entry.term)) firstOfTerm.set(entry.term, entry);
  for (const [term, first] of firstOfTerm) {
    const leader = leaders.get(term);
    if (leader === undefined) continue;
    const missed = entries.findLast((entry) => entry.term < term && entry.firstAppliedAt < leader.time);
    if (missed !== undefined && missed.index > first.index)
      report.add(
        `the leader of term ${term} put its entry ${first.index} before entry ${missed.index}, which was applied when it was elected`,
        leader.time,
        leader,
        missed,
        first,
      );
  }
}
