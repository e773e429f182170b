// What a checker is: a function from a history to the violations it shows. Each checker is a file of its own and is listed
// in all.ts; none knows how the history was made.

import type { History } from "../history.js";

export interface Violation {
  /** Name of the checker. */
  readonly checker: string;
  /** One line: which promise was broken, and how. */
  readonly message: string;
  /** When it became visible, on the simulation's time; NaN when no moment can be named. */
  readonly time: number;
  /** The records that show it, for the report. */
  readonly evidence: readonly unknown[];
}

export interface Checker {
  readonly name: string;
  /** An empty list: the history keeps the promise. */
  check(history: History): Violation[];
}
