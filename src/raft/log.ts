// The replicated log as one member sees it: storage, then the unstable tail, and three positions in it (Figure 2 of the
// paper; `applying` is ours, because handing entries out and hearing that they are applied are two moments):
//
//   applied <= applying <= committed <= lastIndex,   all monotonic
//
// The log matching property (§5.3) rests on two checks here: an append is accepted only if the entry before it has the
// leader's term, and a conflicting entry is cut off with everything behind it, but never below the commit index.
//
// Hot: append, slice. A batch that was just appended is asked for several times (once per follower, for the local write,
// for the application), so the latest slice is remembered and handed out again; slices never change.

import { panic } from "#base";
import { type Entry, entrySize, NO_ENTRIES, type Snapshot } from "#proto";
import { type LogStorage, TERM_COMPACTED, TERM_UNAVAILABLE } from "./storage.js";
import { Unstable } from "./unstable.js";

export class RaftLog {
  readonly storage: LogStorage;
  readonly unstable: Unstable;
  /** Highest index known to be on disk at a majority. */
  committed: number;
  /** Highest index handed to the application. */
  applying: number;
  /** Highest index that the application reported as applied. */
  applied: number;
  private readonly applyingBytesMax: number;
  private applyingBytes = 0;
  private applyingPaused = false;
  private cacheLo = 0;
  private cacheHi = 0;
  private cacheBytes = 0;
  private cache: readonly Entry[] = NO_ENTRIES;

  /** @param applyingBytesMax encoded bytes of entries that may be handed out and not yet applied */
  constructor(storage: LogStorage, applyingBytesMax: number) {
    this.storage = storage;
    this.unstable = new Unstable(storage.lastIndex() + 1);
    this.applyingBytesMax = applyingBytesMax;
    this.committed = storage.firstIndex() - 1;
    this.applying = this.committed;
    this.applied = this.committed;
  }

  firstIndex(): number {
    return this.unstable.snapshot === undefined
      ? this.storage.firstIndex()
      : this.unstable.snapshot.index + 1;
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.storage.lastIndex();
  }

  lastTerm(): number {
    const index = this.lastIndex();
    const term = this.term(index);
    if (term < 0) panic("the last entry of the log has no term", { index });
    return term;
  }

  /** Term of the entry at `index`; TERM_COMPACTED or TERM_UNAVAILABLE, both negative, when it cannot be told. */
  term(index: number): number {
    const term = this.unstable.term(index);
    if (term !== undefined) return term;
    if (index + 1 < this.firstIndex()) return TERM_COMPACTED;
    if (index > this.lastIndex()) return TERM_UNAVAILABLE;
    return this.storage.term(index);
  }

  matchTerm(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** §5.4.1: is a log that ends in (lastIndex, lastTerm) at least as up to date as this one? */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    const ownTerm = this.lastTerm();
    return lastTerm > ownTerm || (lastTerm === ownTerm && lastIndex >= this.lastIndex());
  }

  /** Appends from `entries[from]` on, replacing whatever was at these indexes or behind. */
  append(entries: readonly Entry[], from = 0): void {
    if (from >= entries.length) return;
    const index = entries[from].index;
    if (index <= this.committed) {
      panic("a committed entry would be replaced", { index, committed: this.committed });
    }
    if (this.unstable.truncateAndAppend(entries, from)) this.forgetCache();
  }

  /**
   * The consistency check of AppendEntries, then the append.
   * @param entries contiguous, the first at previousIndex + 1
   * @returns index of the last entry of the request, or -1 if the check failed
   */
  maybeAppend(
    previousIndex: number,
    previousTerm: number,
    entries: readonly Entry[],
    leaderCommit: number,
  ): number {
    if (!this.matchTerm(previousIndex, previousTerm)) return -1;
    return this.appendMatched(previousIndex, entries, leaderCommit);
  }

  /** The append after a passed check: keeps what is there already, replaces from the first conflict on. */
  appendMatched(previousIndex: number, entries: readonly Entry[], leaderCommit: number): number {
    const last = previousIndex + entries.length;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (this.matchTerm(entry.index, entry.term)) continue;
      this.append(entries, i);
      break;
    }
    this.commitTo(Math.min(leaderCommit, last));
    return last;
  }

  /**
   * Where the log of somebody else, of which only the entry (index, term) is known, may still agree with this one: the
   * highest position not after `index` whose term here is not above `term`. It spares a probe per entry (§5.3, end).
   */
  findConflictByTerm(index: number, term: number): { readonly index: number; readonly term: number } {
    for (let at = index; at > 0; at--) {
      const own = this.term(at);
      if (own < 0) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  /** Raises the commit index; a lower one is ignored. */
  commitTo(index: number): void {
    if (index <= this.committed) return;
    const lastIndex = this.lastIndex();
    if (index > lastIndex) {
      panic(
        `tocommit(${index}) is out of range [lastIndex(${lastIndex})]. Was the raft log corrupted, truncated, or lost?`,
        { index, lastIndex },
      );
    }
    this.committed = index;
  }

  appliedTo(index: number, bytes: number): void {
    if (index > this.committed || index < this.applied) {
      panic("applied index out of range", { index, applied: this.applied, committed: this.committed });
    }
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.applyingBytes = Math.max(0, this.applyingBytes - bytes);
    this.applyingPaused = this.applyingBytes >= this.applyingBytesMax;
  }

  /** The last of `entries` has been handed to the application. */
  acceptApplying(entries: readonly Entry[], allowUnstable: boolean): void {
    const index = entries[entries.length - 1].index;
    if (index > this.committed) panic("applying past the commit index", { index, committed: this.committed });
    this.applying = index;
    this.applyingBytes += entriesSize(entries);
    // Fewer than there were: the next entry would exceed the limit.
    this.applyingPaused =
      this.applyingBytes >= this.applyingBytesMax || index < this.appliableIndex(allowUnstable);
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.applyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.applying < this.appliableIndex(allowUnstable);
  }

  /** Committed entries to apply now. `allowUnstable`: also those that are not known to be on the local disk. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    // A snapshot to install goes first: it stands for all entries before it.
    if (!this.hasNextCommitted(allowUnstable)) return NO_ENTRIES;
    const lo = this.applying + 1;
    const hi = this.appliableIndex(allowUnstable) + 1;
    const entries = this.slice(lo, hi, this.applyingBytesMax - this.applyingBytes);
    if (entries === undefined) panic("unapplied entries have been compacted", { lo, hi });
    return entries;
  }

  private appliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  /** New entries that the driver has not been given yet. */
  nextUnstable(): readonly Entry[] {
    if (!this.unstable.hasNextEntries()) return NO_ENTRIES;
    const end = this.unstable.window.endIndex;
    return this.slice(this.unstable.inProgress, end, Number.POSITIVE_INFINITY) ?? NO_ENTRIES;
  }

  /** The snapshot for a follower whose entries have been compacted; undefined while storage has none. */
  snapshot(): Snapshot | undefined {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.committed = snapshot.index;
    this.unstable.restore(snapshot);
    this.forgetCache();
  }

  /** Entries from `index` on, at most `bytesMax` encoded bytes but at least one; undefined when compacted. */
  entriesFrom(index: number, bytesMax: number): readonly Entry[] | undefined {
    const end = this.lastIndex() + 1;
    return index >= end ? NO_ENTRIES : this.slice(index, end, bytesMax);
  }

  /** Entries in [lo, hi), the longest prefix of at most `bytesMax` but at least one; undefined when compacted. */
  slice(lo: number, hi: number, bytesMax: number): readonly Entry[] | undefined {
    if (lo === this.cacheLo && hi === this.cacheHi && this.cacheBytes <= bytesMax) return this.cache;
    if (lo > hi || hi > this.lastIndex() + 1) {
      panic("read past the end of the log", { lo, hi, lastIndex: this.lastIndex() });
    }
    if (lo < this.firstIndex()) return undefined;
    if (lo === hi) return NO_ENTRIES;
    const offset = this.unstable.offset;
    if (lo >= offset) return this.sliceUnstable(lo, hi, bytesMax, 1);
    const cut = Math.min(hi, offset);
    const stable = this.storage.entries(lo, cut, bytesMax);
    if (stable === undefined || hi <= offset || stable.length < cut - lo) return stable;
    const unstable = this.sliceUnstable(offset, hi, bytesMax - entriesSize(stable), 0);
    return unstable.length === 0 ? stable : stable.concat(unstable);
  }

  private sliceUnstable(lo: number, hi: number, bytesMax: number, countMin: number): readonly Entry[] {
    const window = this.unstable.window;
    let bytes = 0;
    let end = lo;
    for (; end < hi; end++) {
      const size = entrySize(window.at(end));
      if (bytes + size > bytesMax && end - lo >= countMin) break;
      bytes += size;
    }
    const entries = window.slice(lo, end);
    if (end === hi) {
      this.cacheLo = lo;
      this.cacheHi = hi;
      this.cacheBytes = bytes;
      this.cache = entries;
    }
    return entries;
  }

  private forgetCache(): void {
    this.cacheLo = 0;
    this.cacheHi = 0;
    this.cache = NO_ENTRIES;
  }

  describe(): string {
    const window = this.unstable.window;
    let text = `log=${this.firstIndex()}..${this.lastIndex()} committed=${this.committed} applied=${this.applied}`;
    if (this.applying !== this.applied) text += ` applying=${this.applying}`;
    if (window.length > 0) text += ` unstable=${window.firstIndex}..${window.endIndex - 1}`;
    if (window.length > 0 && this.unstable.inProgress > window.firstIndex) {
      text += ` writing=..${this.unstable.inProgress - 1}`;
    }
    if (this.unstable.snapshot !== undefined) text += ` snapshot=${this.unstable.snapshot.index}`;
    return text;
  }
}

/** Encoded bytes of the entries. */
export function entriesSize(entries: readonly Entry[]): number {
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) bytes += entrySize(entries[i]);
  return bytes;
}

/** Bytes of the entries' payloads, which is what limits of uncommitted and in-flight data count. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) bytes += entries[i].data.length;
  return bytes;
}
