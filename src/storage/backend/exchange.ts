// Records in the exchange form: what a bbolt file, a snapshot and the hashes are made of. Buckets come in byte order of
// their names, the revision log among them under its name "key" and with etcd's keys:
//
//   offset size
//   0      8    main, big-endian
//   8      1    '_'
//   9      8    sub, big-endian
//   17     0|1  't' for a tombstone

import { utf8 } from "#base";
import { BUCKET_NAMES, REVISION_BUCKET } from "./backend.js";

export const EXCHANGE_KEY_MAX = 18;
const UNDERSCORE = 0x5f;
const LETTER_T = 0x74;

/** Takes a whole database: each bucket in turn, each with its records in key order. Nothing given survives the call. */
export interface RecordSink {
  beginBucket(name: Uint8Array): void;
  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): unknown;
}

/** A well-formed image holds something that this implementation has no place for. */
export class UnknownContentError extends Error {
  override readonly name = "UnknownContentError";
}

/** Every bucket of a database in the order of exchange. */
export const EXCHANGE_BUCKETS: readonly string[] = [...BUCKET_NAMES, REVISION_BUCKET].sort();

export const EXCHANGE_NAMES: ReadonlyMap<string, Uint8Array> = new Map(
  EXCHANGE_BUCKETS.map((name) => [name, utf8(name)]),
);

/** Writes the key of a revision and returns its length, 17 or 18. */
export function writeExchangeKey(target: Uint8Array, main: number, sub: number, tombstone: boolean): number {
  writeBigEndian(target, 0, main);
  target[8] = UNDERSCORE;
  writeBigEndian(target, 9, sub);
  if (!tombstone) return 17;
  target[17] = LETTER_T;
  return 18;
}

/** Whether the bytes are the key of a revision that this implementation can hold (main below 2^53, sub below 2^32). */
export function isExchangeKey(key: Uint8Array): boolean {
  if (key.length !== 17 && key.length !== 18) return false;
  if (key[8] !== UNDERSCORE || (key.length === 18 && key[17] !== LETTER_T)) return false;
  return readHigh(key, 0) < 0x200000 && readHigh(key, 9) === 0;
}

export function exchangeMain(key: Uint8Array): number {
  return readHigh(key, 0) * 0x100000000 + readHigh(key, 4);
}

export function exchangeSub(key: Uint8Array): number {
  return readHigh(key, 13);
}

export function isExchangeTombstone(key: Uint8Array): boolean {
  return key.length === 18;
}

function writeBigEndian(target: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x100000000);
  for (let i = 0; i < 4; i++) {
    target[at + i] = high >>> (24 - 8 * i);
    target[at + 4 + i] = value >>> (24 - 8 * i);
  }
}

function readHigh(key: Uint8Array, at: number): number {
  return ((key[at] << 24) | (key[at + 1] << 16) | (key[at + 2] << 8) | key[at + 3]) >>> 0;
}
