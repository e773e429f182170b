// What an entry of the log asks for, in the words of the history. The payload is an InternalRaftRequest: a header (field
// 100) and one operation, whose field number tells its kind. Entries that change the membership, and operations that
// concern neither keys nor leases nor alarms, are "other".

import { fromBinary } from "@bufbuild/protobuf";
import { utf8Text, WireReader } from "#base";
import {
  type Compare,
  DeleteRangeRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  EntryType,
  PutRequest,
  RangeRequest,
  type RequestOp,
  rpcpb,
  type TxnRequest,
} from "#proto";
import type { CommittedEntry, CompareOp, DeleteOp, KvOp, PutOp, RangeOp, TxnOp } from "../history.js";
import type { LoggedOp } from "./model.js";

const HEADER_FIELD = 100;
const OTHER: LoggedOp = { type: "other" };

/** Throws WireError for bytes that are no request. */
export function opOfEntry(entry: CommittedEntry): LoggedOp {
  if (entry.type !== EntryType.Normal) return OTHER;
  const reader = new WireReader(entry.data);
  let op = OTHER;
  while (!reader.done) {
    const tag = reader.tag();
    if ((tag & 7) !== 2) {
      reader.skip(tag);
      continue;
    }
    const end = reader.delimited();
    const field = tag >>> 3;
    if (field !== HEADER_FIELD) op = decodeOp(field, entry.data.subarray(reader.pos, end));
    reader.pos = end;
  }
  return op;
}

function decodeOp(field: number, body: Uint8Array): LoggedOp {
  switch (field) {
    case 3:
      return rangeOp(decodeRangeRequest(body));
    case 4:
      return putOp(decodePutRequest(body));
    case 5:
      return deleteOp(decodeDeleteRangeRequest(body));
    case 6: {
      const request = decodeTxnRequest(body);
      return request === undefined ? OTHER : txnOp(request);
    }
    case 7: {
      const request = fromBinary(rpcpb.CompactionRequestSchema, body);
      return { type: "compact", revision: Number(request.revision), physical: request.physical };
    }
    case 8: {
      const request = fromBinary(rpcpb.LeaseGrantRequestSchema, body);
      return { type: "leaseGrant", id: request.ID, ttl: Number(request.TTL) };
    }
    case 9:
      return { type: "leaseRevoke", id: fromBinary(rpcpb.LeaseRevokeRequestSchema, body).ID };
    case 10:
      return alarmOp(fromBinary(rpcpb.AlarmRequestSchema, body));
    case 11: {
      const { checkpoints } = fromBinary(rpcpb.LeaseCheckpointRequestSchema, body);
      return {
        type: "checkpoint",
        checkpoints: checkpoints.map((one) => ({ id: one.ID, remainingTtl: Number(one.remainingTTL) })),
      };
    }
    default:
      return OTHER;
  }
}

function alarmOp(request: rpcpb.AlarmRequest): LoggedOp {
  const { action, alarm, memberID: memberId } = request;
  if (action === rpcpb.AlarmRequest_AlarmAction.GET) return OTHER;
  const raise = action === rpcpb.AlarmRequest_AlarmAction.ACTIVATE;
  return alarm === rpcpb.AlarmType.NONE ? OTHER : { type: "alarmChange", raise, alarm, memberId };
}

function kvOp(request: RequestOp): KvOp {
  if (request instanceof RangeRequest) return rangeOp(request);
  if (request instanceof PutRequest) return putOp(request);
  if (request instanceof DeleteRangeRequest) return deleteOp(request);
  return request === undefined ? { type: "txn", compare: [], success: [], failure: [] } : txnOp(request);
}

function putOp(request: PutRequest): PutOp {
  const { lease, prevKv, ignoreValue, ignoreLease } = request;
  const key = utf8Text(request.key);
  return { type: "put", key, value: utf8Text(request.value), lease, prevKv, ignoreValue, ignoreLease };
}

function deleteOp(request: DeleteRangeRequest): DeleteOp {
  return {
    type: "delete",
    key: utf8Text(request.key),
    rangeEnd: utf8Text(request.rangeEnd),
    prevKv: request.prevKv,
  };
}

function rangeOp(request: RangeRequest): RangeOp {
  return {
    type: "range",
    key: utf8Text(request.key),
    rangeEnd: utf8Text(request.rangeEnd),
    limit: request.limit,
    revision: request.revision,
    sortOrder: request.sortOrder,
    sortTarget: request.sortTarget,
    serializable: request.serializable,
    keysOnly: request.keysOnly,
    countOnly: request.countOnly,
    minModRevision: request.minModRevision,
    maxModRevision: request.maxModRevision,
    minCreateRevision: request.minCreateRevision,
    maxCreateRevision: request.maxCreateRevision,
  };
}

function txnOp(request: TxnRequest): TxnOp {
  return {
    type: "txn",
    compare: request.compare.map(compareOp),
    success: request.success.map(kvOp),
    failure: request.failure.map(kvOp),
  };
}

const COMPARE_RESULTS = ["=", ">", "<", "!="] as const;

function compareOp(compare: Compare): CompareOp {
  const key = utf8Text(compare.key);
  const rangeEnd = utf8Text(compare.rangeEnd);
  const result = COMPARE_RESULTS[compare.result];
  switch (compare.target) {
    case 0:
      return { target: "version", result, key, rangeEnd, operand: compare.version };
    case 1:
      return { target: "create", result, key, rangeEnd, operand: compare.createRevision };
    case 2:
      return { target: "mod", result, key, rangeEnd, operand: compare.modRevision };
    case 3:
      return { target: "value", result, key, rangeEnd, operand: utf8Text(compare.value) };
    default:
      return { target: "lease", result, key, rangeEnd, operand: compare.lease };
  }
}
