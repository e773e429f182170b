// Work on one file, one piece at a time, in the order asked for: commits, pins, and the operations that swap the file.
// A defragmentation and the installation of a snapshot can therefore never overlap.

export class Lane {
  private tail: Promise<unknown> = Promise.resolve();

  /** Runs `task` when everything asked for before has ended, well or badly. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.tail.then(task, task);
    this.tail = result.catch(() => {}); // the caller of `run` sees the failure; the next task starts regardless
    return result;
  }
}
