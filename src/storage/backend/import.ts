// Builds an lmdb file from a bbolt image: a snapshot that arrived, or the database of a data directory that Go etcd wrote.
// The file is built under a temporary name and only then put in place, so transactions here need not be atomic together.

import type { ImageReader } from "../bbolt/image-reader.js";
import { BatchReplay } from "./batch-replay.js";
import { feedImage } from "./image-feed.js";
import { LmdbEnvironment, type LmdbOptions } from "./lmdb-environment.js";
import { WriteBatch } from "./write-batch.js";

/** A batch is written when it holds this much. */
const BATCH_BYTES = 8 << 20;

export async function importImage(
  reader: ImageReader,
  imagePath: string,
  options: LmdbOptions,
): Promise<void> {
  const environment = new LmdbEnvironment(options);
  const replay = new BatchReplay(environment);
  const batch = new WriteBatch();
  const write = (): void => {
    replay.write(batch.chunks);
    batch.reset();
  };
  feedImage(reader, imagePath, {
    appendRevision: (main, sub, tombstone, value) => batch.appendRevision(main, sub, tombstone, value),
    put: (bucket, key, value) => batch.put(bucket, key, value),
    flush: () => {
      if (batch.bytes >= BATCH_BYTES) write();
    },
  });
  write();
  await environment.close();
}
