// Generated messages into the client's plain values: revisions, indexes and sizes become numbers, ids stay bigint.

import { KeyValue, mvccpb, ResponseHeader, type rpcpb } from "#proto";

export function headerOf(header: rpcpb.ResponseHeader | undefined): ResponseHeader {
  const out = new ResponseHeader();
  if (header === undefined) return out;
  out.clusterId = header.clusterId;
  out.memberId = header.memberId;
  out.revision = Number(header.revision);
  out.raftTerm = Number(header.raftTerm);
  return out;
}

export function keyValueOf(kv: mvccpb.KeyValue): KeyValue {
  const out = new KeyValue();
  out.key = kv.key;
  out.createRevision = Number(kv.createRevision);
  out.modRevision = Number(kv.modRevision);
  out.version = Number(kv.version);
  out.value = kv.value;
  out.lease = kv.lease;
  return out;
}

/** One change of one key. */
export interface WatchEvent {
  type: "put" | "delete";
  /** After a deletion: key and modRevision only. */
  kv: KeyValue;
  /** With `prevKv`: what was there before, if there was something and it has not been compacted away. */
  prevKv: KeyValue | undefined;
}

export function eventOf(event: mvccpb.Event): WatchEvent {
  return {
    type: event.type === mvccpb.Event_EventType.DELETE ? "delete" : "put",
    kv: event.kv === undefined ? new KeyValue() : keyValueOf(event.kv),
    prevKv: event.prevKv === undefined ? undefined : keyValueOf(event.prevKv),
  };
}
