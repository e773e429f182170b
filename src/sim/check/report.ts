// Collects the violations of one checker. A broken run breaks a promise a thousand times; the first ones tell the story.

import type { Violation } from "./checker.js";

const VIOLATIONS_MAX = 20;

export class Report {
  readonly violations: Violation[] = [];
  private readonly checker: string;

  constructor(checker: string) {
    this.checker = checker;
  }

  /** @param time when it became visible, NaN if no moment can be named */
  add(message: string, time: number, ...evidence: unknown[]): void {
    if (this.violations.length === VIOLATIONS_MAX) return;
    this.violations.push({ checker: this.checker, message, time, evidence });
  }
}
