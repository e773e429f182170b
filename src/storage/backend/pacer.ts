// Bulk work on a thread of its own still takes the processor, and the disk, from those who serve requests, and a priority
// alone does not make the system switch at once. So such work rests about as long as it works, in short turns: it takes
// twice the time, and requests hardly notice it.

/** A turn of work. */
const WORK_MS = 2;
/** The longest rest; what looks like long work may have been waiting already. */
const REST_MS_MAX = 4;
/** Records between two looks at the clock. */
const RECORDS = 64;

/** Of one thread that may sleep; never of the main thread. */
export class Pacer {
  private records = 0;
  private since = performance.now();

  /** To be called for every record. */
  onRecord(): void {
    if (++this.records % RECORDS !== 0) return;
    const worked = performance.now() - this.since;
    if (worked < WORK_MS) return;
    rest(Math.min(worked, REST_MS_MAX));
    this.since = performance.now();
  }
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Makes the calling thread sleep. */
export function rest(ms: number): void {
  Atomics.wait(nobody, 0, 0, ms);
}
