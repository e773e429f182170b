// The fields format: one `"Name" : value` a line, for scripts without a JSON parser.

import { mvccpb, rpcpb } from "#proto";
import { hexId, leaseHex, quoteBytes, quoteText } from "./go-format.js";
import { type Output, type OutputOf, type Printer, type Streams, UnsupportedOutput } from "./output.js";

type Header = rpcpb.ResponseHeader | undefined;

export class FieldsPrinter implements Printer {
  private readonly hex: boolean;

  constructor(hex: boolean) {
    this.hex = hex;
  }

  print(output: Output, streams: Streams): void {
    streams.out(
      this.lines(output)
        .map((line) => `${line}\n`)
        .join(""),
    );
  }

  private lines(output: Output): string[] {
    switch (output.kind) {
      case "get":
        return this.get(output.response);
      case "put":
        return this.put(output.response);
      case "del":
        return this.del(output.response);
      case "txn":
        return this.txn(output.response);
      case "watch":
        return this.watch(output);
      case "lease grant":
      case "lease keep-alive":
        return [
          ...this.header(output.response.header),
          this.leaseId(output.response.ID),
          f("TTL", output.response.TTL),
        ];
      case "lease revoke":
        return this.header(output.response.header);
      case "lease timetolive":
        return this.timeToLive(output);
      case "lease list": {
        const ids = output.response.leases.map((lease) => this.leaseId(lease.ID));
        return [...this.header(output.response.header), ...ids];
      }
      case "member list":
        return this.members(output);
      case "alarm":
        return this.alarms(output);
      case "endpoint health":
        return output.endpoints.flatMap((one) => [
          f("Endpoint", quoteText(one.endpoint)),
          f("Health", one.health),
          f("Took", one.took),
          f("Error", one.error),
          "",
        ]);
      case "endpoint status":
        return output.endpoints.flatMap((one) => this.status(one));
      case "endpoint hashkv":
        return output.endpoints.flatMap(({ endpoint, response }) => [
          ...this.header(response.header),
          f("Endpoint", quoteText(endpoint)),
          f("Hash", response.hash),
          f("HashRevision", response.hashRevision),
          "",
        ]);
      default:
        throw new UnsupportedOutput("fields not supported as output format");
    }
  }

  private header(header: Header): string[] {
    const lines = [
      f("ClusterID", this.id(header?.clusterId ?? 0n)),
      f("MemberID", this.id(header?.memberId ?? 0n)),
    ];
    const revision = header?.revision ?? 0n;
    if (revision > 0n) lines.push(f("Revision", revision));
    lines.push(f("RaftTerm", header?.raftTerm ?? 0n));
    return lines;
  }

  private id(id: bigint): string {
    return this.hex ? hexId(id) : String(id);
  }

  private leaseId(id: bigint, name = "ID"): string {
    return f(name, this.hex ? leaseHex(id) : id);
  }

  private kv(prefix: string, kv: mvccpb.KeyValue): string[] {
    return [
      f(`${prefix}Key`, quoteBytes(kv.key)),
      f(`${prefix}CreateRevision`, kv.createRevision),
      f(`${prefix}ModRevision`, kv.modRevision),
      f(`${prefix}Version`, kv.version),
      f(`${prefix}Value`, quoteBytes(kv.value)),
      this.leaseId(kv.lease, `${prefix}Lease`),
    ];
  }

  private get(r: rpcpb.RangeResponse): string[] {
    const kvs = r.kvs.flatMap((kv) => this.kv("", kv));
    return [...this.header(r.header), ...kvs, f("More", r.more), f("Count", r.count)];
  }

  private put(r: rpcpb.PutResponse): string[] {
    return [...this.header(r.header), ...(r.prevKv === undefined ? [] : this.kv("Prev", r.prevKv))];
  }

  private del(r: rpcpb.DeleteRangeResponse): string[] {
    return [
      ...this.header(r.header),
      f("Deleted", r.deleted),
      ...r.prevKvs.flatMap((kv) => this.kv("Prev", kv)),
    ];
  }

  private txn(r: rpcpb.TxnResponse): string[] {
    const lines = [...this.header(r.header), f("Succeeded", r.succeeded)];
    for (const { response } of r.responses) {
      if (response.case === "responseDeleteRange") lines.push(...this.del(response.value));
      else if (response.case === "responsePut") lines.push(...this.put(response.value));
      else if (response.case === "responseRange") lines.push(...this.get(response.value));
      else lines.push(f("Unknown", quoteText(String(response.case))));
    }
    return lines;
  }

  private watch({ response }: OutputOf<"watch">): string[] {
    const lines = this.header(response.header);
    for (const event of response.events ?? []) {
      lines.push(f("Type", mvccpb.Event_EventType[event.type]));
      if (event.prevKv !== undefined) lines.push(...this.kv("Prev", event.prevKv));
      if (event.kv !== undefined) lines.push(...this.kv("", event.kv));
    }
    return lines;
  }

  private timeToLive({ response: r }: OutputOf<"lease timetolive">): string[] {
    const keys = r.keys.map((key) => f("Key", quoteBytes(key)));
    return [
      ...this.header(r.header),
      this.leaseId(r.ID),
      f("TTL", r.TTL),
      f("GrantedTTL", r.grantedTTL),
      ...keys,
    ];
  }

  private members({ response }: OutputOf<"member list">): string[] {
    const lines = this.header(response.header);
    for (const member of response.members) {
      lines.push(f("ID", this.id(member.ID)), f("Name", quoteText(member.name)));
      for (const url of member.peerURLs) lines.push(f("PeerURL", quoteText(url)));
      for (const url of member.clientURLs) lines.push(f("ClientURL", quoteText(url)));
      lines.push(f("IsLearner", member.isLearner), "");
    }
    return lines;
  }

  private alarms({ response }: OutputOf<"alarm">): string[] {
    const alarms = response.alarms.flatMap((one) => [
      f("MemberID", this.id(one.memberID)),
      f("AlarmType", rpcpb.AlarmType[one.alarm]),
      "",
    ]);
    return [...this.header(response.header), ...alarms];
  }

  private status({ endpoint, response: r }: OutputOf<"endpoint status">["endpoints"][number]): string[] {
    return [
      ...this.header(r.header),
      f("Version", quoteText(r.version)),
      f("StorageVersion", quoteText(r.storageVersion)),
      f("DBSize", r.dbSize),
      f("DBSizeInUse", r.dbSizeInUse),
      f("DBSizeQuota", r.dbSizeQuota),
      f("Leader", r.leader),
      f("IsLearner", r.isLearner),
      f("RaftIndex", r.raftIndex),
      f("RaftTerm", r.raftTerm),
      f("RaftAppliedIndex", r.raftAppliedIndex),
      f("Errors", `[${r.errors.join(" ")}]`),
      f("Endpoint", quoteText(endpoint)),
      f("DowngradeTargetVersion", quoteText(r.downgradeInfo?.targetVersion ?? "")),
      f("DowngradeEnabled", r.downgradeInfo?.enabled ?? false),
      "",
    ];
  }
}

function f(name: string, value: string | bigint | number | boolean): string {
  return `"${name}" : ${value}`;
}
