// Keeps one empty, filled segment file ready, so that changing over to the next segment costs a rename and not 64 MB of
// writing. The file is `0.tmp` or `1.tmp` in turn: the one just renamed must not be touched any more. A `.tmp` left by
// a crash means nothing and is emptied when its name comes round.
//
// Failing to prepare one is not yet a failure of the log, whose current segment has its space: `problem` tells the
// member to stop taking writes while there is still room. `take` then tries once more with an empty file.

import type { Disk, DiskFile } from "#base";
import { createFilled } from "./segment-file.js";

export class NextSegment {
  /** Why the last attempt failed; undefined while all is well. */
  problem: unknown;

  private readonly disk: Disk;
  private readonly directory: string;
  private readonly segmentBytes: number;
  private readonly sync: boolean;
  private round = 0;
  private preparing: Promise<DiskFile | undefined> | undefined;

  constructor(disk: Disk, directory: string, segmentBytes: number, sync: boolean) {
    this.disk = disk;
    this.directory = directory;
    this.segmentBytes = segmentBytes;
    this.sync = sync;
  }

  /** Begins to prepare a file in the background, unless one is ready or under way. */
  prepare(): void {
    this.preparing ??= this.create();
  }

  /** Hands over the file (its path still ends in .tmp), waiting for it if need be. */
  async take(): Promise<DiskFile> {
    this.prepare();
    const file = await this.preparing;
    this.preparing = undefined;
    return file ?? this.disk.open(this.path(), "w+");
  }

  /** Lets a failed preparation be tried again. */
  retry(): void {
    if (this.problem === undefined) return;
    this.problem = undefined;
    this.preparing = this.create();
  }

  /** Waits for the background work to end and removes what it made. */
  async close(): Promise<void> {
    const file = await this.preparing;
    this.preparing = undefined;
    if (file === undefined) return;
    await file.close();
    await this.disk.remove(file.path);
  }

  private async create(): Promise<DiskFile | undefined> {
    this.round++;
    try {
      const file = await createFilled(this.disk, this.path(), this.segmentBytes, this.sync);
      this.problem = undefined;
      return file;
    } catch (error) {
      this.problem = error;
      await this.giveSpaceBack();
      return undefined;
    }
  }

  /** A half-filled file would hold on to the last free space of a full disk. */
  private async giveSpaceBack(): Promise<void> {
    try {
      await this.disk.remove(this.path());
    } catch (error) {
      this.problem = new AggregateError([this.problem, error], "cannot prepare the next segment");
    }
  }

  private path(): string {
    return `${this.directory}/${this.round % 2}.tmp`;
  }
}
