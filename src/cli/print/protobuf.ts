// The protobuf format: the message's bytes, nothing before and nothing after.

import { create, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { rpcpb } from "#proto";
import { type Output, type Printer, type Streams, UnsupportedOutput } from "./output.js";

/** The message that an answer is, and its type; undefined for answers that are more, or less, than one message. */
export function messageOf(output: Output): { schema: DescMessage; message: Message } | undefined {
  switch (output.kind) {
    case "get":
      return { schema: rpcpb.RangeResponseSchema, message: output.response };
    case "put":
      return { schema: rpcpb.PutResponseSchema, message: output.response };
    case "del":
      return { schema: rpcpb.DeleteRangeResponseSchema, message: output.response };
    case "txn":
      return { schema: rpcpb.TxnResponseSchema, message: output.response };
    case "lease revoke":
      return { schema: rpcpb.LeaseRevokeResponseSchema, message: output.response };
    case "member list":
      return { schema: rpcpb.MemberListResponseSchema, message: output.response };
    case "member add":
      return { schema: rpcpb.MemberAddResponseSchema, message: output.response };
    case "member change":
      return { schema: changeSchema(output.change), message: output.response };
    case "alarm":
      return { schema: rpcpb.AlarmResponseSchema, message: output.response };
    case "move-leader":
      return { schema: rpcpb.MoveLeaderResponseSchema, message: create(rpcpb.MoveLeaderResponseSchema) };
    default:
      return undefined;
  }
}

function changeSchema(change: "removed" | "updated" | "promoted"): DescMessage {
  if (change === "removed") return rpcpb.MemberRemoveResponseSchema;
  return change === "updated" ? rpcpb.MemberUpdateResponseSchema : rpcpb.MemberPromoteResponseSchema;
}

const CLIENT_TYPES: Readonly<Partial<Record<Output["kind"], string>>> = {
  "lease grant": "LeaseGrantResponse",
  "lease revoke": "LeaseRevokeResponse",
  "lease timetolive": "LeaseTimeToLiveResponse",
  "lease list": "LeaseLeasesResponse",
  "lease keep-alive": "LeaseKeepAliveResponse",
};

export class ProtobufPrinter implements Printer {
  print(output: Output, streams: Streams): void {
    if (output.kind === "watch") return streams.out(watchBytes(output.response));
    const found = output.kind === "lease revoke" ? undefined : messageOf(output);
    if (found !== undefined) {
      return streams.out(toBinary(found.schema, found.message));
    }
    const type = CLIENT_TYPES[output.kind];
    if (type !== undefined) throw new UnsupportedOutput(`marshal unsupported for type *clientv3.${type}`);
    throw new UnsupportedOutput("protobuf not supported as output format");
  }
}

function watchBytes(response: Extract<Output, { kind: "watch" }>["response"]): Uint8Array {
  const { header, events, compactRevision, canceled, created } = response;
  const message = create(rpcpb.WatchResponseSchema, { header, events, compactRevision, canceled, created });
  return toBinary(rpcpb.WatchResponseSchema, message);
}
