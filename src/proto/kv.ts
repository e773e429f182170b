// The hot messages of etcdserverpb and mvccpb as plain classes. Codecs for them are in kv-codec.ts. Revisions, versions,
// limits and counts are numbers (clamped to ±(2^53 - 1) at decode); lease ids are bigint. `Uint8Array` fields of a
// decoded message are views into the buffer it was decoded from: copy what must outlive the call.

import { EMPTY_BYTES } from "#base";

/** A lease id: int64, opaque; 0n means "no lease". */
export type LeaseId = bigint;
export const NO_LEASE: LeaseId = 0n;

export class KeyValue {
  key: Uint8Array = EMPTY_BYTES;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  value: Uint8Array = EMPTY_BYTES;
  lease: LeaseId = NO_LEASE;
}

export const EventType = { Put: 0, Delete: 1 } as const;
export type EventType = (typeof EventType)[keyof typeof EventType];

export class ResponseHeader {
  clusterId = 0n;
  memberId = 0n;
  revision = 0;
  raftTerm = 0;
}

export const SortOrder = { None: 0, Ascend: 1, Descend: 2 } as const;
export const SortTarget = { Key: 0, Version: 1, Create: 2, Mod: 3, Value: 4 } as const;

export class RangeRequest {
  key: Uint8Array = EMPTY_BYTES;
  rangeEnd: Uint8Array = EMPTY_BYTES;
  limit = 0;
  revision = 0;
  /** A `SortOrder`, or whatever number the client sent. */
  sortOrder = 0;
  /** A `SortTarget`, or whatever number the client sent. */
  sortTarget = 0;
  serializable = false;
  keysOnly = false;
  countOnly = false;
  minModRevision = 0;
  maxModRevision = 0;
  minCreateRevision = 0;
  maxCreateRevision = 0;
}

/** What a put may be refused for before it is proposed: everything but the bytes of its key and value. */
export interface PutShape {
  readonly keyLength: number;
  readonly valueLength: number;
  readonly lease: LeaseId;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

/** The shape of an encoded put, whose key and value need not be cut out for it. */
export class PutHead implements PutShape {
  keyLength = 0;
  valueLength = 0;
  lease: LeaseId = NO_LEASE;
  ignoreValue = false;
  ignoreLease = false;
}

export class PutRequest implements PutShape {
  key: Uint8Array = EMPTY_BYTES;
  value: Uint8Array = EMPTY_BYTES;
  lease: LeaseId = NO_LEASE;
  prevKv = false;
  ignoreValue = false;
  ignoreLease = false;

  get keyLength(): number {
    return this.key.length;
  }

  get valueLength(): number {
    return this.value.length;
  }
}

export class DeleteRangeRequest {
  key: Uint8Array = EMPTY_BYTES;
  rangeEnd: Uint8Array = EMPTY_BYTES;
  prevKv = false;
}

export const CompareResult = { Equal: 0, Greater: 1, Less: 2, NotEqual: 3 } as const;
export const CompareTarget = { Version: 0, Create: 1, Mod: 2, Value: 3, Lease: 4 } as const;

export class Compare {
  result = 0;
  target = 0;
  key: Uint8Array = EMPTY_BYTES;
  rangeEnd: Uint8Array = EMPTY_BYTES;
  /** The field of the target_union that was sent, 0 for none: the wire's field number (4 to 8). */
  unionField = 0;
  version = 0;
  createRevision = 0;
  modRevision = 0;
  value: Uint8Array = EMPTY_BYTES;
  lease: LeaseId = NO_LEASE;
}

/** One operation of a transaction; `undefined` when the client set none of the oneof. */
export type RequestOp = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest | undefined;

export class TxnRequest {
  compare: Compare[] = [];
  success: RequestOp[] = [];
  failure: RequestOp[] = [];
}
