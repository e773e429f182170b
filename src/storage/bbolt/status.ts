// What `etcdutl snapshot status` says of an image, computed as it computes it: CRC-32C over every bucket name, key and value,
// the last revision, the number of records and the bytes of the pages.

import { crc32c, utf8Text } from "#base";
import type { ImageReader } from "./image-reader.js";

export interface ImageStatus {
  readonly hash: number;
  /** Main revision of the last record in bucket "key", 0 without one. */
  readonly revision: number;
  readonly totalKey: number;
  /** Bytes of the pages, without a trailer. */
  readonly totalSize: number;
}

/** Reads the whole image. Throws CorruptImageError when it is damaged. */
export function imageStatus(reader: ImageReader): ImageStatus {
  let hash = 0;
  let revision = 0;
  let totalKey = 0;
  for (const bucket of reader.buckets()) {
    const isRevisions = utf8Text(bucket.name) === "key";
    hash = crc32c(hash, bucket.name);
    bucket.forEach((key, value) => {
      hash = crc32c(crc32c(hash, key), value);
      totalKey++;
      if (isRevisions && key.length >= 8) revision = Number(Buffer.from(key).readBigUInt64BE(0));
    });
  }
  return { hash, revision, totalKey, totalSize: reader.pages * reader.pageSize };
}
