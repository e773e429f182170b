// The checkers that every run must pass.

import type { History } from "../history.js";
import { agreement } from "./agreement.js";
import type { Checker, Violation } from "./checker.js";
import { durability } from "./durability.js";
import { lease } from "./lease.js";
import { linearizability } from "./linearizability.js";
import { liveness } from "./liveness.js";
import { raftHistory } from "./raft.js";
import { resources } from "./resources.js";
import { watch } from "./watch.js";

export const CHECKERS: readonly Checker[] = [
  agreement,
  raftHistory,
  linearizability,
  durability,
  watch,
  lease,
  liveness,
  resources,
];

/** What all checkers say of a finished history. */
export function checkHistory(history: History): Violation[] {
  return CHECKERS.flatMap((checker) => checker.check(history));
}
