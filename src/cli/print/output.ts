// What commands give to printers. One kind per shape of answer; a printer knows how to render each kind, or refuses it.
// Answers are the messages as they came from the server, so that every printer sees every field.

import type { rpcpb } from "#proto";

/** A watch response as clients see it: without ids and fragments. */
export interface WatchOutput {
  header: rpcpb.ResponseHeader | undefined;
  /** Undefined when the watch was refused before it began. */
  events: rpcpb.WatchResponse["events"] | undefined;
  compactRevision: bigint;
  canceled: boolean;
  created: boolean;
  cancelReason: string;
}

export interface EndpointHealth {
  endpoint: string;
  health: boolean;
  /** A Go duration. */
  took: string;
  /** Empty when healthy. */
  error: string;
}

export type MemberChange = "removed" | "updated" | "promoted";

export type Output =
  | { kind: "get"; response: rpcpb.RangeResponse }
  | { kind: "put"; response: rpcpb.PutResponse }
  | { kind: "del"; response: rpcpb.DeleteRangeResponse }
  | { kind: "txn"; response: rpcpb.TxnResponse }
  | { kind: "watch"; response: WatchOutput }
  | { kind: "lease grant"; response: rpcpb.LeaseGrantResponse }
  | { kind: "lease revoke"; id: bigint; response: rpcpb.LeaseRevokeResponse }
  | { kind: "lease timetolive"; keys: boolean; response: rpcpb.LeaseTimeToLiveResponse }
  | { kind: "lease list"; response: rpcpb.LeaseLeasesResponse }
  | { kind: "lease keep-alive"; response: rpcpb.LeaseKeepAliveResponse }
  | { kind: "member list"; response: rpcpb.MemberListResponse }
  | { kind: "member add"; response: rpcpb.MemberAddResponse }
  | { kind: "member change"; change: MemberChange; id: bigint; response: MemberChangeResponse }
  | { kind: "alarm"; response: rpcpb.AlarmResponse }
  | { kind: "endpoint health"; endpoints: EndpointHealth[] }
  | { kind: "endpoint status"; endpoints: { endpoint: string; response: rpcpb.StatusResponse }[] }
  | { kind: "endpoint hashkv"; endpoints: { endpoint: string; response: rpcpb.HashKVResponse }[] }
  | { kind: "move-leader"; from: bigint; to: bigint };

export type MemberChangeResponse =
  | rpcpb.MemberRemoveResponse
  | rpcpb.MemberUpdateResponse
  | rpcpb.MemberPromoteResponse;

export type OutputOf<K extends Output["kind"]> = Extract<Output, { kind: K }>;

/** Where a command writes: data goes to `out`, everything else to `err`. */
export interface Streams {
  out(data: string | Uint8Array): void;
  err(text: string): void;
}

/** The chosen format cannot show this answer; exit code 4. */
export class UnsupportedOutput extends Error {
  override readonly name = "UnsupportedOutput";
}

export interface Printer {
  print(output: Output, streams: Streams): void;
}
