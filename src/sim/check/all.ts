// The checkers that every run must pass.

import type { Checker } from "./checker.js";

export const CHECKERS: readonly Checker[] = [];
