// The json format: one line per answer. Most answers are the message as Go's encoding/json writes it; a few have shapes of
// their own, because etcd's client library wraps them in structs before they are printed.

import { mvccpb, rpcpb } from "#proto";
import { hexId, jsonString } from "./go-format.js";
import { type JsonValue, messageJson, messageMembers, RawJson, toJson } from "./go-json.js";
import { type Output, type OutputOf, type Printer, type Streams, UnsupportedOutput } from "./output.js";
import { messageOf } from "./protobuf.js";

export class JsonPrinter implements Printer {
  private readonly hex: boolean;

  constructor(hex: boolean) {
    this.hex = hex;
  }

  print(output: Output, streams: Streams): void {
    streams.out(`${toJson(this.json(output))}\n`);
  }

  private json(output: Output): JsonValue {
    switch (output.kind) {
      case "watch":
        return watchJson(output);
      case "lease grant": {
        const { header, ID, TTL, error } = output.response;
        return flat(header, { ID, TTL, Error: error });
      }
      case "lease keep-alive":
        return flat(output.response.header, { ID: output.response.ID, TTL: output.response.TTL });
      case "lease timetolive": {
        const { header, ID, TTL, grantedTTL, keys } = output.response;
        return flat(header, {
          id: ID,
          ttl: TTL,
          "granted-ttl": grantedTTL,
          keys: keys.length > 0 ? keys : null,
        });
      }
      case "lease list": {
        const leases = output.response.leases.map((lease) => ({ id: lease.ID }));
        return flat(output.response.header, { leases });
      }
      case "endpoint health":
        return output.endpoints.map((one) => ({ ...one, error: one.error === "" ? undefined : one.error }));
      case "endpoint status":
        return output.endpoints.map((one) => ({
          Endpoint: one.endpoint,
          Status: messageJson(rpcpb.StatusResponseSchema, one.response),
        }));
      case "endpoint hashkv":
        return output.endpoints.map((one) => ({
          Endpoint: one.endpoint,
          HashKV: messageJson(rpcpb.HashKVResponseSchema, one.response),
        }));
      case "member list":
      case "member add":
      case "member change":
        return this.hex ? hexMembers(output) : plain(output);
      default:
        return plain(output);
    }
  }
}

function plain(output: Output): JsonValue {
  const found = messageOf(output);
  if (found === undefined) throw new UnsupportedOutput("json not supported as output format");
  return messageJson(found.schema, found.message);
}

/** An object that begins with the members of the header. */
function flat(header: rpcpb.ResponseHeader | undefined, rest: Readonly<Record<string, JsonValue>>): RawJson {
  const members = messageMembers(rpcpb.ResponseHeaderSchema, header);
  for (const name in rest) members.push(`${jsonString(name)}:${toJson(rest[name])}`);
  return new RawJson(`{${members.join(",")}}`);
}

function watchJson({ response: r }: OutputOf<"watch">): JsonValue {
  return {
    Header: r.header === undefined ? null : messageJson(rpcpb.ResponseHeaderSchema, r.header),
    Events: r.events?.map((event) => messageJson(mvccpb.EventSchema, event)) ?? null,
    CompactRevision: r.compactRevision,
    Canceled: r.canceled,
    Created: r.created,
    CancelReason: r.cancelReason,
  };
}

function hexMembers(output: OutputOf<"member list" | "member add" | "member change">): JsonValue {
  const { header, members } = output.response;
  const nonZero = (value: bigint): bigint | undefined => (value === 0n ? undefined : value);
  return {
    header: {
      cluster_id: hexId(header?.clusterId ?? 0n),
      member_id: hexId(header?.memberId ?? 0n),
      revision: nonZero(header?.revision ?? 0n),
      raft_term: nonZero(header?.raftTerm ?? 0n),
    },
    member:
      output.kind === "member add" && output.response.member ? hexMember(output.response.member) : undefined,
    members: members.map(hexMember),
  };
}

function hexMember(member: rpcpb.Member): JsonValue {
  return {
    ID: hexId(member.ID),
    name: member.name === "" ? undefined : member.name,
    peerURLs: member.peerURLs.length === 0 ? undefined : member.peerURLs,
    clientURLs: member.clientURLs.length === 0 ? undefined : member.clientURLs,
    isLearner: member.isLearner ? true : undefined,
  };
}
