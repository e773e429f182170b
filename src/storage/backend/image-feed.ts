// The records of a bbolt image, in the terms of a backend.

import { utf8Text } from "#base";
import type { ImageBucket, ImageReader } from "../bbolt/image-reader.js";
import { BUCKET_NAMES, type BucketName, REVISION_BUCKET } from "./backend.js";
import {
  exchangeMain,
  exchangeSub,
  isExchangeKey,
  isExchangeTombstone,
  UnknownContentError,
} from "./exchange.js";

/** Takes the records of an image in its order. */
export interface ImageTarget {
  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void;
  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void;
  /** Called after each record. */
  flush(): void;
}

/** Feeds every record of the image; values and keys are valid only during the call. */
export function feedImage(reader: ImageReader, path: string, target: ImageTarget): void {
  for (const bucket of reader.buckets()) {
    const name = utf8Text(bucket.name);
    if (name === REVISION_BUCKET) feedRevisions(bucket, path, target);
    else if (isBucketName(name)) {
      bucket.forEach((key, value) => {
        target.put(name, key, value);
        target.flush();
      });
    } else throw new UnknownContentError(`database image ${path} has an unknown bucket "${name}"`);
  }
}

function feedRevisions(bucket: ImageBucket, path: string, target: ImageTarget): void {
  bucket.forEach((key, value) => {
    if (!isExchangeKey(key))
      throw new UnknownContentError(`database image ${path} has a key that is no revision`);
    target.appendRevision(exchangeMain(key), exchangeSub(key), isExchangeTombstone(key), value);
    target.flush();
  });
}

function isBucketName(name: string): name is BucketName {
  return BUCKET_NAMES.some((known) => known === name);
}
