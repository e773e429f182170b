// bbolt's file format, version 2: the facts that reader and writer share. Little-endian throughout, as Go writes it on
// every machine that etcd runs on.
//
//   page header                       meta page, after the header
//   offset size                       offset size
//   0      8    page number           0      4    magic 0xED0CDAED
//   8      2    flags                 4      4    version, 2
//   10     2    elements              8      4    page size
//   12     4    pages that follow     12     4    flags, 0
//               as part of this one   16     8    root page of the root bucket
//                                     24     8    its sequence, 0
//   branch element                    32     8    page of the free list, all ones for none
//   0      4    key, counted from     40     8    number of pages
//               this element          48     8    transaction
//   4      4    length of the key     56     8    FNV-1a (64 bit) of the 56 bytes before
//   8      8    page
//                                     value of a bucket element
//   leaf element                      0      8    root page; 0: a leaf page follows in place
//   0      4    flags, 1: bucket      8      8    sequence
//   4      4    key, counted from     16     n    (in place) page header, elements, data
//               this element
//   8      4    length of the key
//   12     4    length of the value, which follows the key
//
// Pages 0 and 1 are meta pages; the valid one with the higher transaction counts.

export const PAGE_HEADER = 16;
export const ELEMENT = 16;
export const BUCKET_HEADER = 16;
export const FLAG_BRANCH = 0x01;
export const FLAG_LEAF = 0x02;
export const FLAG_META = 0x04;
export const FLAG_FREELIST = 0x10;
export const ELEMENT_BUCKET = 1;
export const MAGIC = 0xed0cdaed;
export const VERSION = 2;
export const META_BYTES = 64;
export const META_SUMMED_BYTES = 56;
/** Length of the SHA-256 that follows the pages in a snapshot file. */
export const TRAILER_BYTES = 32;

/** The image itself is not what it should be; `offset` is a byte position in the file. */
export class CorruptImageError extends Error {
  override readonly name = "CorruptImageError";

  constructor(
    readonly path: string,
    readonly offset: number,
    readonly detail: string,
  ) {
    super(`database image ${path} is damaged at byte ${offset}: ${detail}`);
  }
}

/** FNV-1a, 64 bit. Only meta pages are summed, so plain bigints will do. */
export function fnv64a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

/** Whether a file of this size is a snapshot with its SHA-256 at the end: pages alone are a multiple of 512. */
export function hasTrailer(fileBytes: number): boolean {
  return fileBytes % 512 === TRAILER_BYTES;
}
