// The checkers: pure functions from a history to the promises that it breaks.

export { CHECKERS as ALL_CHECKERS, checkHistory } from "./all.js";
export type { Checker, Violation } from "./checker.js";
