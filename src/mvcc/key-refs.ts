// A growing list of refs.

export class RefList {
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

  /** The refs, in the order in which they came. The list is not used afterwards. */
  take(): Uint32Array {
    return this.refs.subarray(0, this.count);
  }
}
