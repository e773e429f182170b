// One defragmentation of an lmdb backend: a compact copy of the file that takes its place. Requests go on throughout, and
// commits too except for the last stretch, when what was committed since the latest pass is brought over and the files are
// swapped; writes wait in memory meanwhile.
//
//   copy      the state pinned at the start, all of it
//   catch up  what was committed since, repeated while that is much
//   finish    commits held: catch up once more, compare, rename
//
// The copy is `<path>.new`. Until the rename it is worth nothing: a crash, an error or `cancel` just removes it.

import type { RevisionName } from "./backend.js";
import { CommittedChanges } from "./committed-changes.js";
import type { CatchUpRequest, CopyRequest } from "./copy.js";
import type { LmdbOptions } from "./lmdb-environment.js";
import { removeTemporary, temporaryPath } from "./lmdb-files.js";
import { type PinnedTree, startViewThread } from "./lmdb-view.js";
import type { TreeHandle } from "./view-worker.js";
import type { WorkerHost } from "./worker-host.js";
import type { WriteBatch } from "./write-batch.js";

/** Passes before commits are held whatever is left. */
const CATCH_UP_ROUNDS = 8;

/** Another operation took the place of a defragmentation: the file it copied is gone. */
export class DefragmentationCancelled extends Error {
  override readonly name = "DefragmentationCancelled";
}

/** What a defragmentation needs of its backend. */
export interface DefragmentationOwner {
  readonly options: LmdbOptions;
  /** Runs a task while nothing is being committed. */
  exclusively<T>(task: () => Promise<T>): Promise<T>;
  /** The newest committed state. Only in `exclusively`. */
  pin(): PinnedTree;
  /** The last revision of the newest committed state. Only in `exclusively`. */
  lastCommitted(): RevisionName;
  /** Puts `<path>.new` in place. Only in `exclusively`. */
  swap(): Promise<void>;
}

export class Defragmentation {
  /** Settles with the outcome. */
  readonly done: Promise<void>;
  private readonly thread: WorkerHost;
  private changes: CommittedChanges | undefined;
  private isCancelled = false;

  constructor(private readonly owner: DefragmentationOwner) {
    const { path } = owner.options;
    removeTemporary(path);
    this.thread = startViewThread(path);
    this.done = this.run().finally(async () => {
      await this.thread.terminate();
      removeTemporary(path);
    });
  }

  /** Takes note of a batch that was committed. */
  committed(batch: WriteBatch): void {
    this.changes?.add(batch);
  }

  /** Gives up and waits until nothing of it is left. */
  async cancel(): Promise<void> {
    this.isCancelled = true;
    await this.thread.terminate();
    await this.done.catch(() => {}); // told to whoever asked for the defragmentation
  }

  private async run(): Promise<void> {
    try {
      await this.copy();
    } catch (error) {
      if (this.isCancelled)
        throw new DefragmentationCancelled("defragmentation was given up for another operation");
      throw error;
    }
  }

  private async copy(): Promise<void> {
    const { owner, thread } = this;
    const { options } = owner;
    const [first, changes] = await owner.exclusively(async () => {
      this.changes = new CommittedChanges(owner.lastCommitted());
      return [owner.pin(), this.changes] as const;
    });
    const target: LmdbOptions = { ...options, path: temporaryPath(options.path) };
    await using(first, (tree) => thread.request("copy", { tree, target } satisfies CopyRequest));
    for (let round = 0; round < CATCH_UP_ROUNDS && changes.isLarge; round++) {
      const tree = await owner.exclusively(async () => [owner.pin(), changes.take()] as const);
      await this.catchUp(...tree);
    }
    await owner.exclusively(async () => {
      const tree = owner.pin();
      await this.catchUp(tree, changes.take(), (handle) => thread.request("finish-copy", handle));
      if (!this.isCancelled) await owner.swap();
    });
  }

  private catchUp(
    tree: PinnedTree,
    changes: Omit<CatchUpRequest, "tree">,
    then?: (handle: TreeHandle) => Promise<unknown>,
  ): Promise<void> {
    return using(tree, async (handle) => {
      await this.thread.request("catch-up", { ...changes, tree: handle } satisfies CatchUpRequest);
      await then?.(handle);
    });
  }
}

async function using(tree: PinnedTree, use: (handle: TreeHandle) => Promise<unknown>): Promise<void> {
  try {
    await use(tree.handle);
  } finally {
    tree.release();
  }
}
