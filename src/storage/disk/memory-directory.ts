// The directories of MemoryDisk. Entries that were made, renamed or removed are seen at once, but survive a crash for
// certain only after a sync of their directory. A crash keeps some first part of the changes since then, as a journaling
// file system does; a rename is one change, never half of one, also between two directories.

import type { Random } from "#base";
import { MemoryFile, Survival } from "./memory-file.js";

export type MemoryNode = MemoryFile | MemoryDirectory;

/** One change: `removed` goes, then `added` points to `node`. */
interface Change {
  readonly removed: string | undefined;
  readonly added: string | undefined;
  readonly node: MemoryNode | undefined;
  /** The other directory of a rename between two, and that change's counterpart there. */
  partner: { directory: MemoryDirectory; change: Change } | undefined;
}

export class MemoryDirectory {
  readonly permissions: number;
  modifiedMs = 0;
  readonly entries = new Map<string, MemoryNode>();
  private readonly durable = new Map<string, MemoryNode>();
  private pending: Change[] = [];
  /** How many of the pending changes the crash in progress keeps. */
  private kept = 0;

  constructor(permissions: number) {
    this.permissions = permissions;
  }

  add(name: string, node: MemoryNode): void {
    this.change({ removed: undefined, added: name, node, partner: undefined });
  }

  remove(name: string): void {
    this.change({ removed: name, added: undefined, node: undefined, partner: undefined });
  }

  /** Moves the entry `from` to `to` in `target`, replacing what is there. */
  rename(from: string, target: MemoryDirectory, to: string): void {
    const node = this.entries.get(from);
    if (target === this) return this.change({ removed: from, added: to, node, partner: undefined });
    const leaving: Change = { removed: from, added: undefined, node: undefined, partner: undefined };
    const arriving: Change = { removed: undefined, added: to, node, partner: undefined };
    leaving.partner = { directory: target, change: arriving };
    arriving.partner = { directory: this, change: leaving };
    this.change(leaving);
    target.change(arriving);
  }

  sync(): void {
    this.settle(this.pending.length);
  }

  /** A deep copy in which everything is durable. */
  clone(): MemoryDirectory {
    const copy = new MemoryDirectory(this.permissions);
    for (const [name, node] of this.entries) {
      const child = node.clone();
      copy.entries.set(name, child);
      copy.durable.set(name, child);
    }
    return copy;
  }

  /** The tree as a crash leaves it; called on the root. */
  crash(random: Random, survival: Survival): MemoryDirectory {
    const all: MemoryDirectory[] = [];
    this.collect(all, new Set());
    for (const directory of all) directory.chooseKept(random, survival);
    while (all.some((directory) => directory.dropHalfRenames())) {}
    return this.image(random, survival);
  }

  private change(change: Change): void {
    this.pending.push(change);
    apply(this.entries, change);
  }

  /** Makes the first `count` pending changes durable, and the other halves of renames among them. */
  private settle(count: number): void {
    const settled = this.pending.slice(0, count);
    this.pending = this.pending.slice(count);
    for (const change of settled) {
      apply(this.durable, change);
      if (change.partner === undefined) continue;
      const { directory, change: other } = change.partner;
      directory.settle(directory.pending.indexOf(other) + 1);
    }
  }

  private collect(into: MemoryDirectory[], seen: Set<MemoryDirectory>): void {
    if (seen.has(this)) return;
    seen.add(this);
    into.push(this);
    for (const map of [this.entries, this.durable]) {
      for (const node of map.values()) if (node instanceof MemoryDirectory) node.collect(into, seen);
    }
    for (const { node } of this.pending) if (node instanceof MemoryDirectory) node.collect(into, seen);
  }

  private chooseKept(random: Random, survival: Survival): void {
    const { length } = this.pending;
    this.kept =
      survival === Survival.None ? 0 : survival === Survival.All ? length : random.below(length + 1);
  }

  /** Gives up changes from the first rename on whose other half is not kept. */
  private dropHalfRenames(): boolean {
    for (let i = 0; i < this.kept; i++) {
      const { partner } = this.pending[i];
      if (partner === undefined) continue;
      const place = partner.directory.pending.indexOf(partner.change);
      if (place < partner.directory.kept) continue;
      this.kept = i;
      return true;
    }
    return false;
  }

  private image(random: Random, survival: Survival): MemoryDirectory {
    const entries = new Map(this.durable);
    for (let i = 0; i < this.kept; i++) apply(entries, this.pending[i]);
    const image = new MemoryDirectory(this.permissions);
    for (const [name, node] of entries) {
      const child = node instanceof MemoryFile ? node.crash(random, survival) : node.image(random, survival);
      image.entries.set(name, child);
      image.durable.set(name, child);
    }
    return image;
  }
}

function apply(entries: Map<string, MemoryNode>, change: Change): void {
  if (change.removed !== undefined) entries.delete(change.removed);
  if (change.added !== undefined && change.node !== undefined) entries.set(change.added, change.node);
}
