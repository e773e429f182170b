// Compaction of the key index in slices: leaf by leaf through the ordered keys, so that the smallest slice is some
// 127 keys. Between slices keys may come and go; the walk remembers the first key of the leaf where it goes on. A key may
// be met twice that way, which changes nothing, and a key made meanwhile has nothing to compact.

import { copyBytes, EMPTY_BYTES } from "#base";
import type { KeyIndex } from "./key-index.js";

export class KeyCompaction {
  /** Some key keeps a revision at or below the compaction's. */
  keptAny = false;
  private nextKey: Uint8Array = EMPTY_BYTES;
  private done = false;

  constructor(
    private readonly index: KeyIndex,
    readonly revision: number,
  ) {}

  /**
   * Compacts leaves until about `keysMax` keys are done.
   * @returns true when the whole index is done
   */
  step(keysMax: number): boolean {
    const order = this.index.order;
    if (this.done || order.leafCount === 0) return true;
    order.locate(this.nextKey);
    let position = order.leafAt;
    for (let visited = 0; visited < keysMax && position < order.leafCount; ) {
      visited += order.keyCount(position);
      this.compactLeaf(position);
      // A leaf that was joined with its right neighbour has new keys: it is done again.
      if (!order.tidy(position)) position++;
    }
    this.done = position >= order.leafCount;
    if (!this.done) this.nextKey = copyBytes(this.index.entries.keyView(order.refAt(position, 0)));
    return this.done;
  }

  private compactLeaf(position: number): void {
    const { index } = this;
    // Backwards, because a removal moves the keys after it.
    for (let slot = index.order.keyCount(position) - 1; slot >= 0; slot--) {
      const gone = index.compactKey(index.order.refAt(position, slot), this.revision);
      if (index.keptOlder) this.keptAny = true;
      if (gone) index.removeAt(position, slot);
    }
  }
}
