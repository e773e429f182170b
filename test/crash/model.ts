// What must be true after a crash, from what clients were told before it. Each key has one writer and each writer one
// request in flight, so the state of a key is known but for that request: it happened, whole, or it did not. Everything
// learnt after the crash counts as known from then on.
//
// Invariants, each with the text of its violation:
//   a write that was acknowledged is there, with the revision that was told
//   a request without an answer happened with all its keys, in one revision, or not at all
//   the revision never goes back, and grows by no more than there were requests without an answer
//   what a read returned can still be read at its revision, until that is compacted
//   a compaction that was acknowledged stays
//   a lease that was granted is there, one that was revoked is not
//   the hash of the keys at a revision stays the same while nothing more is compacted

export interface KeyState {
  /** Undefined: absent. */
  value: string | undefined;
  /** Revision of the last change; 0 when it is not known. */
  revision: number;
  /** The request without an answer that would change this key. */
  pending: Request | undefined;
}

/** What one request changes: key -> new value, undefined for a delete. */
export interface Request {
  readonly changes: ReadonlyMap<string, string | undefined>;
}

export interface StoredKey {
  readonly value: string;
  readonly revision: number;
}

export interface Observation {
  readonly key: string;
  readonly revision: number;
  readonly value: string;
}

export interface HashAt {
  readonly revision: number;
  readonly compactRevision: number;
  readonly hash: number;
}

const OBSERVATIONS_KEPT = 400;

export class Model {
  readonly keys = new Map<string, KeyState>();
  readonly leases = new Map<bigint, boolean>();
  observations: Observation[] = [];
  hashes: HashAt[] = [];
  highestRevision = 0;
  compacted = 0;
  /** A compaction that was asked for and perhaps done. */
  compactedMaybe = 0;
  readonly violations: string[] = [];

  state(key: string): KeyState {
    let state = this.keys.get(key);
    if (state === undefined) {
      state = { value: undefined, revision: 0, pending: undefined };
      this.keys.set(key, state);
    }
    return state;
  }

  begin(changes: ReadonlyMap<string, string | undefined>): Request {
    const request = { changes };
    for (const key of changes.keys()) this.state(key).pending = request;
    return request;
  }

  acknowledged(request: Request, revision: number): void {
    this.sawRevision(revision);
    for (const [key, value] of request.changes) {
      const state = this.state(key);
      if (state.value !== undefined || value !== undefined) state.revision = revision;
      state.value = value;
      state.pending = undefined;
    }
  }

  /** The server said that it did not do it. */
  refused(request: Request): void {
    for (const key of request.changes.keys()) this.state(key).pending = undefined;
  }

  sawRevision(revision: number): void {
    if (revision > this.highestRevision) this.highestRevision = revision;
  }

  observed(observation: Observation): void {
    this.observations.push(observation);
    if (this.observations.length > OBSERVATIONS_KEPT * 2) {
      this.observations = this.observations.filter((_, i) => i % 2 === 1);
    }
  }

  /** Compares with everything that is stored after the crash, and takes what it learns. */
  afterCrash(stored: ReadonlyMap<string, StoredKey>, revision: number): void {
    const pending = new Set<Request>();
    for (const state of this.keys.values()) if (state.pending !== undefined) pending.add(state.pending);
    this.#checkRevision(revision, pending.size);
    for (const request of pending) this.#checkPending(request, stored);
    for (const [key, state] of this.keys) this.#checkKey(key, state, stored.get(key));
    for (const key of stored.keys()) if (!this.keys.has(key)) this.violation(`${key} was never written`);
  }

  #checkRevision(revision: number, pending: number): void {
    if (revision < this.highestRevision) {
      this.violation(`revision went back from ${this.highestRevision} to ${revision}`);
    }
    if (revision > this.highestRevision + pending) {
      this.violation(
        `revision ${revision} after ${this.highestRevision} and ${pending} requests without an answer`,
      );
    }
    this.sawRevision(revision);
  }

  #checkPending(request: Request, stored: ReadonlyMap<string, StoredKey>): void {
    let done = 0;
    let undone = 0;
    const revisions = new Set<number>();
    for (const [key, value] of request.changes) {
      const found = stored.get(key);
      const before = this.state(key).value;
      if (before === value) continue;
      if (found?.value === value) {
        done++;
        if (found !== undefined) revisions.add(found.revision);
      } else undone++;
    }
    const keys = [...request.changes.keys()].join(", ");
    if (done > 0 && undone > 0) this.violation(`half of a transaction on ${keys}`);
    if (revisions.size > 1) this.violation(`several revisions of one transaction on ${keys}`);
  }

  #checkKey(key: string, state: KeyState, found: StoredKey | undefined): void {
    const { pending } = state;
    state.pending = undefined;
    if (found?.value === state.value && (pending === undefined || !pending.changes.has(key))) {
      if (found !== undefined && found.revision !== state.revision) {
        this.violation(`${key} has revision ${found.revision}, acknowledged was ${state.revision}`);
      }
      return;
    }
    const wanted = pending?.changes.get(key);
    const possible = found?.value === state.value || (pending !== undefined && found?.value === wanted);
    if (!possible) {
      const unanswered = pending === undefined ? "" : ` or ${describe(wanted)}`;
      this.violation(`${key} is ${describe(found?.value)}, not ${describe(state.value)}${unanswered}`);
    }
    state.value = found?.value;
    state.revision = found?.revision ?? 0;
  }

  violation(text: string): void {
    this.violations.push(text);
  }
}

function describe(value: string | undefined): string {
  return value === undefined ? "absent" : `"${value.slice(0, 40)}"`;
}
