// Keys, ranges and the options that turn into requests. A range is [key, end): the end of a prefix is the prefix with its
// last byte that is not 0xff raised by one and everything behind it cut off; an end of one zero byte means "all keys from
// `key` on", and key and end of one zero byte each mean everything.

import { EMPTY_BYTES, utf8 } from "#base";
import { DeleteRangeRequest, type LeaseId, PutRequest, RangeRequest, SortOrder, SortTarget } from "#proto";

/** A key or value: text stands for its UTF-8 bytes. */
export type BytesLike = string | Uint8Array;

/** `end` of a range that has no end; also the key of a range that starts at the very first key. */
export const OPEN_END: Uint8Array = Uint8Array.of(0);

/** Which keys, besides the one given. At most one of these. */
export interface RangeOptions {
  /** All keys that start with the key; an empty key means all keys. */
  prefix?: boolean;
  /** All keys not before the key; an empty key means all keys. */
  fromKey?: boolean;
  /** All keys from the key up to, and not including, this one. */
  rangeEnd?: BytesLike;
}

export interface GetOptions extends RangeOptions {
  /** Keys returned at most; 0 or absent: all. */
  limit?: number;
  /** Read the state at this revision; absent: now. */
  revision?: number;
  sort?: { by?: keyof typeof SORT_TARGETS; order?: "ascend" | "descend" | "none" };
  /** Read what the member has, without asking the others: quicker, and possibly old. */
  serializable?: boolean;
  keysOnly?: boolean;
  countOnly?: boolean;
  minModRevision?: number;
  maxModRevision?: number;
  minCreateRevision?: number;
  maxCreateRevision?: number;
}

export interface PutOptions {
  /** Attach the key to this lease. */
  lease?: LeaseId;
  /** Return what was there before. */
  prevKv?: boolean;
  /** Keep the value and change only the lease; the value given must be empty. */
  ignoreValue?: boolean;
  /** Keep the lease. */
  ignoreLease?: boolean;
}

export interface DeleteOptions extends RangeOptions {
  /** Return what was deleted. */
  prevKv?: boolean;
}

const SORT_TARGETS = {
  key: SortTarget.Key,
  version: SortTarget.Version,
  create: SortTarget.Create,
  mod: SortTarget.Mod,
  value: SortTarget.Value,
} as const;

const SORT_ORDERS = { none: SortOrder.None, ascend: SortOrder.Ascend, descend: SortOrder.Descend } as const;

export function bytesOf(text: BytesLike): Uint8Array {
  return typeof text === "string" ? utf8(text) : text;
}

/** The end of the range of all keys that start with `prefix`. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i] === 0xff) continue;
    const end = prefix.slice(0, i + 1);
    end[i]++;
    return end;
  }
  return OPEN_END;
}

/** First key and end of the range that `key` and `options` describe; an empty end means the one key. */
export function rangeOf(key: BytesLike, options: RangeOptions): { key: Uint8Array; end: Uint8Array } {
  const start = bytesOf(key);
  if (options.prefix === true) {
    return start.length === 0 ? { key: OPEN_END, end: OPEN_END } : { key: start, end: prefixEnd(start) };
  }
  if (options.fromKey === true) return { key: start.length === 0 ? OPEN_END : start, end: OPEN_END };
  return { key: start, end: options.rangeEnd === undefined ? EMPTY_BYTES : bytesOf(options.rangeEnd) };
}

/** The request of a `get`; also an operation of a transaction. */
export function rangeRequest(key: BytesLike, options: GetOptions = {}): RangeRequest {
  const range = rangeOf(key, options);
  const request = new RangeRequest();
  request.key = range.key;
  request.rangeEnd = range.end;
  request.limit = options.limit ?? 0;
  request.revision = options.revision ?? 0;
  const target = SORT_TARGETS[options.sort?.by ?? "key"];
  const order = SORT_ORDERS[options.sort?.order ?? "none"];
  // Keys come in ascending order by themselves; asking for it would make the server read everything before it cuts.
  request.sortOrder = target === SortTarget.Key && order === SortOrder.Ascend ? SortOrder.None : order;
  request.sortTarget = target;
  request.serializable = options.serializable ?? false;
  request.keysOnly = options.keysOnly ?? false;
  request.countOnly = options.countOnly ?? false;
  request.minModRevision = options.minModRevision ?? 0;
  request.maxModRevision = options.maxModRevision ?? 0;
  request.minCreateRevision = options.minCreateRevision ?? 0;
  request.maxCreateRevision = options.maxCreateRevision ?? 0;
  return request;
}

/** The request of a `put`; also an operation of a transaction. */
export function putRequest(key: BytesLike, value: BytesLike, options: PutOptions = {}): PutRequest {
  const request = new PutRequest();
  request.key = bytesOf(key);
  request.value = bytesOf(value);
  request.lease = options.lease ?? 0n;
  request.prevKv = options.prevKv ?? false;
  request.ignoreValue = options.ignoreValue ?? false;
  request.ignoreLease = options.ignoreLease ?? false;
  return request;
}

/** The request of a `delete`; also an operation of a transaction. */
export function deleteRequest(key: BytesLike, options: DeleteOptions = {}): DeleteRangeRequest {
  const range = rangeOf(key, options);
  const request = new DeleteRangeRequest();
  request.key = range.key;
  request.rangeEnd = range.end;
  request.prevKv = options.prevKv ?? false;
  return request;
}
