// What the start has read of the log and not put in order yet. Each record becomes a block as if its key were new; the
// blocks are looked up in the hash table some at a time, because then the processor can wait for several cache misses at
// once.

const BATCH = 64;

export class KeyArrivals {
  /** Blocks that are not looked up yet, with the hashes of their keys. */
  readonly refs = new Uint32Array(BATCH);
  readonly hashes = new Uint32Array(BATCH);
  count = 0;
  /** The keys that were new, in the order in which they came; undefined once they are put in order. */
  keys: RefList | undefined = new RefList();

  /** True if the batch is full now. */
  push(ref: number, hash: number): boolean {
    this.refs[this.count] = ref;
    this.hashes[this.count] = hash;
    return ++this.count === BATCH;
  }
}

/** A growing list of refs. */
class RefList {
  private refs = new Uint32Array(1024);
  private count = 0;

  push(ref: number): void {
    if (this.count === this.refs.length) {
      const bigger = new Uint32Array(this.count * 2);
      bigger.set(this.refs);
      this.refs = bigger;
    }
    this.refs[this.count++] = ref;
  }

  /** The refs, in the order in which they came. */
  view(): Uint32Array {
    return this.refs.subarray(0, this.count);
  }
}
