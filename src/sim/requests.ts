// From the operations of the history to the bytes that a client sends.

import { create, toBinary } from "@bufbuild/protobuf";
import { utf8, WireWriter } from "#base";
import {
  DeleteRangeRequest,
  encodeDeleteRangeRequest,
  encodePutRequest,
  encodeRangeRequest,
  PutRequest,
  RangeRequest,
  rpcpb,
} from "#proto";
import type { AlarmOp, CompareOp, DeleteOp, KvOp, Op, PutOp, RangeOp, TxnOp, WatchAsk } from "./history.js";

const out = new WireWriter(1024);

/** The request message of a client call; reconfigurations are none. */
export function encodeRequest(op: Op): Uint8Array {
  switch (op.type) {
    case "put":
      return written(() => encodePutRequest(out, putOf(op)));
    case "delete":
      return written(() => encodeDeleteRangeRequest(out, deleteOf(op)));
    case "range":
      return written(() => encodeRangeRequest(out, rangeOf(op)));
    case "txn":
      return toBinary(rpcpb.TxnRequestSchema, txnOf(op));
    case "leaseGrant":
      return toBinary(
        rpcpb.LeaseGrantRequestSchema,
        create(rpcpb.LeaseGrantRequestSchema, { ID: op.id, TTL: BigInt(op.ttl) }),
      );
    case "leaseRevoke":
      return toBinary(rpcpb.LeaseRevokeRequestSchema, create(rpcpb.LeaseRevokeRequestSchema, { ID: op.id }));
    case "leaseKeepAlive":
      return toBinary(
        rpcpb.LeaseKeepAliveRequestSchema,
        create(rpcpb.LeaseKeepAliveRequestSchema, { ID: op.id }),
      );
    case "leaseTimeToLive":
      return toBinary(
        rpcpb.LeaseTimeToLiveRequestSchema,
        create(rpcpb.LeaseTimeToLiveRequestSchema, { ID: op.id, keys: op.keys }),
      );
    case "compact":
      return toBinary(
        rpcpb.CompactionRequestSchema,
        create(rpcpb.CompactionRequestSchema, { revision: BigInt(op.revision), physical: op.physical }),
      );
    case "alarm":
      return toBinary(rpcpb.AlarmRequestSchema, alarmOf(op));
    case "hashKv":
      return toBinary(
        rpcpb.HashKVRequestSchema,
        create(rpcpb.HashKVRequestSchema, { revision: BigInt(op.revision) }),
      );
    case "memberList":
      return toBinary(
        rpcpb.MemberListRequestSchema,
        create(rpcpb.MemberListRequestSchema, { linearizable: op.linearizable }),
      );
    default:
      return new Uint8Array(0);
  }
}

function alarmOf({ action, memberId }: AlarmOp): rpcpb.AlarmRequest {
  if (action === "get") return create(rpcpb.AlarmRequestSchema);
  return create(rpcpb.AlarmRequestSchema, {
    action: rpcpb.AlarmRequest_AlarmAction.DEACTIVATE,
    alarm: rpcpb.AlarmType.NOSPACE,
    memberID: memberId,
  });
}

export function encodeWatchAsk(ask: WatchAsk): Uint8Array {
  return toBinary(rpcpb.WatchRequestSchema, create(rpcpb.WatchRequestSchema, { requestUnion: unionOf(ask) }));
}

function unionOf(ask: WatchAsk): rpcpb.WatchRequest["requestUnion"] {
  if (ask.kind === "progress") {
    return { case: "progressRequest", value: create(rpcpb.WatchProgressRequestSchema) };
  }
  if (ask.kind === "cancel") {
    const value = create(rpcpb.WatchCancelRequestSchema, { watchId: BigInt(ask.watchId) });
    return { case: "cancelRequest", value };
  }
  const { NOPUT, NODELETE } = rpcpb.WatchCreateRequest_FilterType;
  const filters = [...(ask.noPut ? [NOPUT] : []), ...(ask.noDelete ? [NODELETE] : [])];
  return {
    case: "createRequest",
    value: create(rpcpb.WatchCreateRequestSchema, {
      key: utf8(ask.key),
      rangeEnd: utf8(ask.rangeEnd),
      startRevision: BigInt(ask.startRevision),
      progressNotify: ask.progressNotify,
      prevKv: ask.prevKv,
      fragment: ask.fragment,
      watchId: BigInt(ask.watchId),
      filters,
    }),
  };
}

function written(write: () => void): Uint8Array {
  out.reset();
  write();
  return out.finish();
}

function putOf(op: PutOp): PutRequest {
  const request = new PutRequest();
  request.key = utf8(op.key);
  request.value = op.ignoreValue ? new Uint8Array(0) : utf8(op.value);
  request.lease = op.lease;
  request.prevKv = op.prevKv;
  request.ignoreValue = op.ignoreValue;
  request.ignoreLease = op.ignoreLease;
  return request;
}

function deleteOf(op: DeleteOp): DeleteRangeRequest {
  const request = new DeleteRangeRequest();
  request.key = utf8(op.key);
  request.rangeEnd = utf8(op.rangeEnd);
  request.prevKv = op.prevKv;
  return request;
}

function rangeOf(op: RangeOp): RangeRequest {
  const { type: _type, key, rangeEnd, ...rest } = op;
  return Object.assign(new RangeRequest(), rest, { key: utf8(key), rangeEnd: utf8(rangeEnd) });
}

function txnOf(op: TxnOp): rpcpb.TxnRequest {
  return create(rpcpb.TxnRequestSchema, {
    compare: op.compare.map(compareOf),
    success: op.success.map(requestOpOf),
    failure: op.failure.map(requestOpOf),
  });
}

const RESULTS = {
  "=": rpcpb.Compare_CompareResult.EQUAL,
  ">": rpcpb.Compare_CompareResult.GREATER,
  "<": rpcpb.Compare_CompareResult.LESS,
  "!=": rpcpb.Compare_CompareResult.NOT_EQUAL,
};
const TARGETS = {
  version: rpcpb.Compare_CompareTarget.VERSION,
  create: rpcpb.Compare_CompareTarget.CREATE,
  mod: rpcpb.Compare_CompareTarget.MOD,
  value: rpcpb.Compare_CompareTarget.VALUE,
  lease: rpcpb.Compare_CompareTarget.LEASE,
};

function compareOf(compare: CompareOp): rpcpb.Compare {
  return create(rpcpb.CompareSchema, {
    result: RESULTS[compare.result],
    target: TARGETS[compare.target],
    key: utf8(compare.key),
    rangeEnd: utf8(compare.rangeEnd),
    targetUnion: operandOf(compare),
  });
}

function operandOf({ target, operand }: CompareOp): rpcpb.Compare["targetUnion"] {
  if (target === "value") return { case: "value", value: utf8(String(operand)) };
  const value = BigInt(operand);
  switch (target) {
    case "version":
      return { case: "version", value };
    case "create":
      return { case: "createRevision", value };
    case "mod":
      return { case: "modRevision", value };
    default:
      return { case: "lease", value };
  }
}

function requestOpOf(op: KvOp): rpcpb.RequestOp {
  return create(rpcpb.RequestOpSchema, { request: requestUnionOf(op) });
}

function requestUnionOf(op: KvOp): rpcpb.RequestOp["request"] {
  switch (op.type) {
    case "put": {
      const { key, value, lease, prevKv, ignoreValue, ignoreLease } = putOf(op);
      const fields = { key, value, lease, prevKv, ignoreValue, ignoreLease };
      return { case: "requestPut", value: create(rpcpb.PutRequestSchema, fields) };
    }
    case "delete": {
      const { key, rangeEnd, prevKv } = deleteOf(op);
      const fields = { key, rangeEnd, prevKv };
      return { case: "requestDeleteRange", value: create(rpcpb.DeleteRangeRequestSchema, fields) };
    }
    case "range":
      return { case: "requestRange", value: rangeMessageOf(op) };
    default:
      return { case: "requestTxn", value: txnOf(op) };
  }
}

function rangeMessageOf(op: RangeOp): rpcpb.RangeRequest {
  return create(rpcpb.RangeRequestSchema, {
    key: utf8(op.key),
    rangeEnd: utf8(op.rangeEnd),
    limit: BigInt(op.limit),
    revision: BigInt(op.revision),
    sortOrder: op.sortOrder,
    sortTarget: op.sortTarget,
    serializable: op.serializable,
    keysOnly: op.keysOnly,
    countOnly: op.countOnly,
    minModRevision: BigInt(op.minModRevision),
    maxModRevision: BigInt(op.maxModRevision),
    minCreateRevision: BigInt(op.minCreateRevision),
    maxCreateRevision: BigInt(op.maxCreateRevision),
  });
}
