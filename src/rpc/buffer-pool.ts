// Buffers of one size that are used over and over: making and collecting one costs more than filling it, and one just given
// back is still in the processor's cache. What a busy moment needed is let go of once the moment is over.

export class BufferPool {
  readonly bufferBytes: number;
  private readonly freeMax: number;
  /** The one given back last comes last. */
  private readonly free: Buffer[] = [];
  /** The fewest that were free since the last `trim`: so many nobody needed. */
  private leastFree = 0;

  /** @param freeMax most buffers to keep; what is given back beyond is left to the collector */
  constructor(bufferBytes: number, freeMax: number) {
    this.bufferBytes = bufferBytes;
    this.freeMax = freeMax;
  }

  get length(): number {
    return this.free.length;
  }

  /** A buffer, not cleared. */
  take(): Buffer {
    const buf = this.free.pop();
    if (buf === undefined) return Buffer.allocUnsafeSlow(this.bufferBytes);
    if (this.free.length < this.leastFree) this.leastFree = this.free.length;
    return buf;
  }

  giveBack(buf: Buffer): void {
    if (this.free.length < this.freeMax) this.free.push(buf);
  }

  clear(): void {
    this.free.length = 0;
    this.leastFree = 0;
  }

  /** Lets go of the buffers that were not needed since the last call. */
  trim(): void {
    this.free.splice(0, this.leastFree);
    this.leastFree = this.free.length;
  }
}
