// From the bytes of a response to the results of the history.

import { fromBinary } from "@bufbuild/protobuf";
import { utf8Text } from "#base";
import { mvccpb, rpcpb } from "#proto";
import type {
  DeleteResult,
  Kv,
  KvResult,
  Op,
  PutResult,
  RangeResult,
  Result,
  TxnResult,
  WatchEventRecord,
  WatchResponseRecord,
} from "./history.js";

export function decodeResult(op: Op, message: Uint8Array): Result {
  switch (op.type) {
    case "put":
      return putResult(fromBinary(rpcpb.PutResponseSchema, message));
    case "delete":
      return deleteResult(fromBinary(rpcpb.DeleteRangeResponseSchema, message));
    case "range":
      return rangeResult(fromBinary(rpcpb.RangeResponseSchema, message));
    case "txn":
      return txnResult(fromBinary(rpcpb.TxnResponseSchema, message));
    case "compact": {
      const response = fromBinary(rpcpb.CompactionResponseSchema, message);
      return { type: "compact", revision: revisionOf(response) };
    }
    case "alarm": {
      const { alarms } = fromBinary(rpcpb.AlarmResponseSchema, message);
      return { type: "alarm", alarms: alarms.map(({ memberID, alarm }) => `${memberID}:${alarm}`).sort() };
    }
    case "defragment":
      return { type: "defragment" };
    case "hashKv": {
      const response = fromBinary(rpcpb.HashKVResponseSchema, message);
      return {
        type: "hashKv",
        revision: revisionOf(response),
        hash: response.hash,
        hashRevision: Number(response.hashRevision),
        compactRevision: Number(response.compactRevision),
      };
    }
    case "memberList": {
      const { members } = fromBinary(rpcpb.MemberListResponseSchema, message);
      const texts = members.map(({ ID, name, isLearner }) => `${ID} ${name}${isLearner ? " learner" : ""}`);
      return { type: "memberList", members: texts.sort() };
    }
    case "reconfigure":
      return { type: "reconfigure" };
    default:
      return leaseResult(op.type, message);
  }
}

function leaseResult(
  type: "leaseGrant" | "leaseRevoke" | "leaseKeepAlive" | "leaseTimeToLive" | "leaseLeases",
  message: Uint8Array,
): Result {
  switch (type) {
    case "leaseGrant": {
      const response = fromBinary(rpcpb.LeaseGrantResponseSchema, message);
      return { type, revision: revisionOf(response), id: response.ID, ttl: Number(response.TTL) };
    }
    case "leaseRevoke":
      return { type, revision: revisionOf(fromBinary(rpcpb.LeaseRevokeResponseSchema, message)) };
    case "leaseKeepAlive": {
      const response = fromBinary(rpcpb.LeaseKeepAliveResponseSchema, message);
      return { type, revision: revisionOf(response), ttl: Number(response.TTL) };
    }
    case "leaseTimeToLive": {
      const response = fromBinary(rpcpb.LeaseTimeToLiveResponseSchema, message);
      return {
        type,
        revision: revisionOf(response),
        ttl: Number(response.TTL),
        grantedTtl: Number(response.grantedTTL),
        keys: response.keys.map(utf8Text),
      };
    }
    default: {
      const response = fromBinary(rpcpb.LeaseLeasesResponseSchema, message);
      return { type, revision: revisionOf(response), ids: response.leases.map(({ ID }) => ID) };
    }
  }
}

export function decodeWatchResponse(message: Uint8Array, time: number): WatchResponseRecord {
  const response = fromBinary(rpcpb.WatchResponseSchema, message);
  return {
    time,
    watchId: Number(response.watchId),
    revision: revisionOf(response),
    created: response.created,
    canceled: response.canceled,
    compactRevision: Number(response.compactRevision),
    cancelReason: response.cancelReason,
    fragment: response.fragment,
    events: response.events.map(eventOf),
  };
}

function eventOf(event: mvccpb.Event): WatchEventRecord {
  if (event.kv === undefined) throw new Error("an event without a key");
  return {
    type: event.type === mvccpb.Event_EventType.PUT ? "put" : "delete",
    kv: kvOf(event.kv),
    prevKv: event.prevKv === undefined ? undefined : kvOf(event.prevKv),
  };
}

function revisionOf(response: { header?: rpcpb.ResponseHeader | undefined }): number {
  return Number(response.header?.revision ?? 0n);
}

function kvOf(kv: mvccpb.KeyValue): Kv {
  return {
    key: utf8Text(kv.key),
    value: utf8Text(kv.value),
    createRevision: Number(kv.createRevision),
    modRevision: Number(kv.modRevision),
    version: Number(kv.version),
    lease: kv.lease,
  };
}

function putResult(response: rpcpb.PutResponse): PutResult {
  const prevKv = response.prevKv === undefined ? undefined : kvOf(response.prevKv);
  return { type: "put", revision: revisionOf(response), prevKv };
}

function deleteResult(response: rpcpb.DeleteRangeResponse): DeleteResult {
  const { deleted, prevKvs } = response;
  return {
    type: "delete",
    revision: revisionOf(response),
    deleted: Number(deleted),
    prevKvs: prevKvs.map(kvOf),
  };
}

function rangeResult(response: rpcpb.RangeResponse): RangeResult {
  const { kvs, more, count } = response;
  return { type: "range", revision: revisionOf(response), kvs: kvs.map(kvOf), more, count: Number(count) };
}

function txnResult(response: rpcpb.TxnResponse): TxnResult {
  const { succeeded, responses } = response;
  return {
    type: "txn",
    revision: revisionOf(response),
    succeeded,
    responses: responses.map(({ response: inner }) => innerResult(inner)),
  };
}

function innerResult(inner: rpcpb.ResponseOp["response"]): KvResult {
  switch (inner.case) {
    case "responsePut":
      return putResult(inner.value);
    case "responseDeleteRange":
      return deleteResult(inner.value);
    case "responseRange":
      return rangeResult(inner.value);
    case "responseTxn":
      return txnResult(inner.value);
    default:
      throw new Error("a transaction has an empty response");
  }
}
