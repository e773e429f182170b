// How records are laid out in the lmdb file. One tree holds everything, so that a commit touches one right edge and one
// left edge: the first byte of a key tells the small bucket, and the revision log sorts after all of them, so that its
// appends are appends to the tree.
//
//   key of the revision log          key of a small bucket
//   offset size                      offset size
//   0      1    0x80                 0      1    number of the bucket, 1..127
//   1      7    main, big-endian     1      n    the key, cut at LONG_KEY bytes; if cut:
//   8      0|4  sub, big-endian;     1+n    32   SHA-256 of the whole key
//               absent when 0
//
//   value
//   0      1    flags: 1 tombstone, 2 the key was cut and stands in full before the value
//   1      0|4  (flag 2) length of the key, little-endian, then the key
//   .      n    the value
//   .      4    CRC-32C over the lmdb key and everything before this field, little-endian
//
// lmdb keeps no checksums of its own. The sum covers the key too, so a value that ended up under another key is found.

import { createHash } from "node:crypto";
import { assert, crc32c } from "#base";
import { BUCKET_NAMES, type BucketName } from "./backend.js";

export const REVISION_PREFIX = 0x80;
export const FLAG_TOMBSTONE = 1;
export const FLAG_LONG_KEY = 2;
/** Bytes that a value grows by on disk. */
export const RECORD_OVERHEAD = 5;
/** Longer keys of small buckets are cut here; lmdb takes keys up to 1978 bytes. */
export const LONG_KEY = 1024;
export const REVISION_KEY_MAX = 12;

const BUCKET_NUMBERS = new Map<BucketName, number>(BUCKET_NAMES.map((name, index) => [name, index + 1]));

/** Writes the lmdb key of a revision at `at` and returns its length, 8 or 12. */
export function writeRevisionKey(target: Uint8Array, at: number, main: number, sub: number): number {
  const high = Math.floor(main / 0x100000000);
  const low = main >>> 0;
  target[at] = REVISION_PREFIX;
  target[at + 1] = high >>> 16;
  target[at + 2] = high >>> 8;
  target[at + 3] = high;
  target[at + 4] = low >>> 24;
  target[at + 5] = low >>> 16;
  target[at + 6] = low >>> 8;
  target[at + 7] = low;
  if (sub === 0) return 8;
  target[at + 8] = sub >>> 24;
  target[at + 9] = sub >>> 16;
  target[at + 10] = sub >>> 8;
  target[at + 11] = sub;
  return 12;
}

export function revisionMain(key: Uint8Array, at: number): number {
  const high = (key[at + 1] << 16) | (key[at + 2] << 8) | key[at + 3];
  const low = ((key[at + 4] << 24) | (key[at + 5] << 16) | (key[at + 6] << 8) | key[at + 7]) >>> 0;
  return high * 0x100000000 + low;
}

export function revisionSub(key: Uint8Array, at: number, length: number): number {
  if (length === 8) return 0;
  return ((key[at + 8] << 24) | (key[at + 9] << 16) | (key[at + 10] << 8) | key[at + 11]) >>> 0;
}

/** The lmdb key of an entry of a small bucket. */
export function bucketKey(bucket: BucketName, key: Uint8Array): Uint8Array {
  const cut = Math.min(key.length, LONG_KEY);
  const isLong = key.length > LONG_KEY;
  const out = Buffer.allocUnsafe(1 + cut + (isLong ? 32 : 0));
  out[0] = bucketNumber(bucket);
  out.set(cut === key.length ? key : key.subarray(0, cut), 1);
  if (isLong) out.set(createHash("sha256").update(key).digest(), 1 + cut);
  return out;
}

export function bucketNumber(bucket: BucketName): number {
  const number = BUCKET_NUMBERS.get(bucket);
  assert(number !== undefined, "unknown bucket");
  return number;
}

/** The name of a bucket number, or undefined when no bucket has it. */
export function bucketOfNumber(number: number): BucketName | undefined {
  return BUCKET_NAMES[number - 1];
}

/** Bytes that a record's value takes on disk. */
export function storedSize(keyLength: number, valueLength: number): number {
  return RECORD_OVERHEAD + valueLength + (keyLength > LONG_KEY ? 4 + keyLength : 0);
}

/** Where the value itself begins in a stored record that starts at `start`. */
export function storedContent(stored: Uint8Array, start: number): number {
  if ((stored[start] & FLAG_LONG_KEY) === 0) return start + 1;
  const at = start + 1;
  const keyLength =
    (stored[at] | (stored[at + 1] << 8) | (stored[at + 2] << 16) | (stored[at + 3] << 24)) >>> 0;
  return at + 4 + keyLength;
}

/** Whether the sum at the end of a stored value matches its key and content. `end` is the end of the whole value. */
export function isIntact(
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  value: Uint8Array,
  start: number,
  end: number,
): boolean {
  const body = end - 4;
  if (body < start + 1) return false;
  // Side by side in a page they are one piece.
  const isOnePiece = key === value && keyEnd === start;
  const sum = isOnePiece
    ? crc32c(0, key, keyStart, body)
    : crc32c(crc32c(0, key, keyStart, keyEnd), value, start, body);
  return (
    sum === (value[body] | (value[body + 1] << 8) | (value[body + 2] << 16) | (value[body + 3] << 24)) >>> 0
  );
}

/** Writes the sum over `bytes[start, end)` (key and content, side by side) at `end`. */
export function writeSum(bytes: Uint8Array, start: number, end: number): void {
  const sum = crc32c(0, bytes, start, end);
  bytes[end] = sum;
  bytes[end + 1] = sum >>> 8;
  bytes[end + 2] = sum >>> 16;
  bytes[end + 3] = sum >>> 24;
}
