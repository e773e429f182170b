// Applies what the cluster has agreed on, in log order, each entry once: requests through the applier, configuration changes
// through the membership and then raft. Whoever waits for an entry of this member hears of its outcome. Hot: once per write
// (bench: put rows of `npm run bench`).

import { type Clock, type Logger, panic, WireWriter } from "#base";
import { decodeConfChange, decodeConfChangeV2, type Entry, EntryType } from "#proto";
import type { RawNode } from "#raft";
import type { Applier } from "./applier.js";
import type { Cluster } from "./cluster.js";
import type { Committer } from "./committer.js";
import type { MemberMetrics } from "./member-metrics.js";
import type { Proposals } from "./proposals.js";
import type { Removal } from "./removal.js";
import { ParsedRequest, parseRequest } from "./request.js";
import { EntryOutcome } from "./waiters.js";

export class ApplyLoop {
  private readonly applier: Applier;
  private readonly proposals: Proposals;
  private readonly committer: Committer;
  private readonly cluster: Cluster;
  private readonly node: RawNode;
  private readonly removal: Removal;
  private readonly metrics: MemberMetrics;
  private readonly clock: Clock;
  private readonly logger: Logger;
  /** A batch that takes longer is reported. */
  private readonly warningMs: number;
  private readonly request = new ParsedRequest();
  private readonly outcome = new EntryOutcome(new WireWriter(64 * 1024));
  /** Entries up to here have had their effect. */
  appliedIndex: number;
  /** Term of the entry at `appliedIndex`: once it is the present term, this term's leader has committed in it. */
  appliedTerm: number;

  constructor(parts: {
    applier: Applier;
    proposals: Proposals;
    committer: Committer;
    cluster: Cluster;
    node: RawNode;
    removal: Removal;
    metrics: MemberMetrics;
    clock: Clock;
    logger: Logger;
    warningMs: number;
    appliedIndex: number;
  }) {
    this.applier = parts.applier;
    this.proposals = parts.proposals;
    this.committer = parts.committer;
    this.cluster = parts.cluster;
    this.node = parts.node;
    this.removal = parts.removal;
    this.metrics = parts.metrics;
    this.clock = parts.clock;
    this.logger = parts.logger;
    this.warningMs = parts.warningMs;
    this.appliedIndex = parts.appliedIndex;
    this.appliedTerm = parts.committer.appliedTerm;
  }

  /** @param entries those that follow what is applied; at least one */
  apply(entries: readonly Entry[]): void {
    const began = this.clock.now();
    this.metrics.onApplyBegins(began);
    if (entries[0].index !== this.appliedIndex + 1) {
      panic("committed entries do not follow what is applied", {
        appliedIndex: this.appliedIndex,
        firstIndex: entries[0].index,
      });
    }
    for (const entry of entries) this.applyEntry(entry);
    const last = entries[entries.length - 1];
    this.appliedIndex = last.index;
    this.appliedTerm = last.term;
    this.committer.appliedIndex = last.index;
    this.committer.appliedTerm = last.term;
    this.noteSlowApply(began, entries.length);
  }

  /** A snapshot took the place of all entries up to `index`. */
  onInstalled(index: number, term: number): void {
    this.appliedIndex = index;
    this.appliedTerm = term;
  }

  private applyEntry(entry: Entry): void {
    if (entry.type !== EntryType.Normal) return this.applyConfChange(entry);
    // The first entry of a term is empty; one that raft replaced is too.
    if (entry.data.length === 0) return;
    const { request, outcome } = this;
    parseRequest(entry.data, request);
    const waiter = this.proposals.take(request.prefix, request.counter);
    outcome.reset();
    this.applier.apply(request, entry.data, waiter !== undefined || this.metrics.wantsBodies, outcome);
    this.metrics.observeApply(request.field, outcome, this.clock.now());
    this.metrics.onEntryApplied(entry, outcome);
    if (waiter !== undefined) waiter.onApplied(outcome);
  }

  private applyConfChange(entry: Entry): void {
    if (entry.type === EntryType.ConfChangeV2) {
      // Members propose single changes only; what else is in the log concerns raft alone.
      return this.cluster.onConfState(this.node.applyConfChange(decodeConfChangeV2(entry.data)));
    }
    const change = decodeConfChange(entry.data);
    const { effective, outcome } = this.cluster.applyConfChange(change);
    this.cluster.onConfState(this.node.applyConfChange(effective));
    this.removal.check();
    this.outcome.reset();
    if (!outcome.ok) this.outcome.error = outcome.error;
    this.metrics.onEntryApplied(entry, this.outcome);
    this.proposals.takeConfChange(change.id)?.onApplied(this.outcome);
  }

  private noteSlowApply(began: number, count: number): void {
    const took = this.clock.now() - began;
    if (took <= this.warningMs) return;
    this.metrics.slowApplies++;
    this.logger.warn("apply request took too long", { took: `${took.toFixed(3)}ms`, entries: count });
  }
}
