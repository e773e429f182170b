// Command lines that both etcdctls are given. Where 3.7 (which ours follows) and 3.5 (which the reference is) differ on
// purpose, the case names the difference and rewrites one side.

import type { DescMessage } from "@bufbuild/protobuf";
import type { Client } from "#client";
import { rpcpb } from "#proto";

type Rewrite = (text: string) => string;

export interface Case {
  /** Decodes the output before the comparison: revisions inside protobuf cannot be blotted out as text. */
  schema?: DescMessage;
  title?: string;
  args: string[];
  stdin?: string;
  env?: Record<string, string>;
  before?: (client: Client) => Promise<unknown>;
  ours?: Rewrite;
  reference?: Rewrite;
}

/** 3.5 prints its whole help to stdout and the error twice; 3.7 prints the error once and the usage to stderr. */
const USAGE: Pick<Case, "ours" | "reference"> = {
  ours: (text) => text.replace(/^Usage:\n[\s\S]*$/m, ""),
  reference: (text) => text.replace(/^NAME:\n[\s\S]*$/m, "").replace(/\n\nError: .*\n$/, "\n"),
};
/** 3.5 repeats an unknown command's error behind the hint. */
const UNKNOWN: Pick<Case, "reference"> = {
  reference: (text) => text.replace(/(Run 'etcdctl --help' for usage\.\n)Error: [\s\S]*$/, "$1"),
};
/** 3.5 wraps a oneof as Go's type name (`ResponsePut`), 3.7 as the field's name (`response_put`). */
const ONEOF: Pick<Case, "reference"> = {
  reference: (text) =>
    text.replace(
      /"Response(Put|Range|DeleteRange|Txn)"/g,
      (_, name: string) => `"response${name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}"`,
    ),
};
/** 3.5 does not know --hex for fields. */
const HEX: Pick<Case, "ours" | "reference"> = { ours: unHex, reference: unHex };

const SCHEMAS: Readonly<Record<string, DescMessage>> = {
  get: rpcpb.RangeResponseSchema,
  put: rpcpb.PutResponseSchema,
  del: rpcpb.DeleteRangeResponseSchema,
  txn: rpcpb.TxnResponseSchema,
  member: rpcpb.MemberListResponseSchema,
  alarm: rpcpb.AlarmResponseSchema,
};
const FORMATS = ["simple", "json", "fields", "protobuf"];

function inFormats(args: string[], which: readonly string[] = FORMATS): Case[] {
  return which.map((format) => {
    const word = args.find((arg) => arg in SCHEMAS) ?? "";
    return { args: [...args, "-w", format], schema: format === "protobuf" ? SCHEMAS[word] : undefined };
  });
}

function failing(...lines: string[][]): Case[] {
  return lines.map((args) => ({ args }));
}

const TXN = 'value("a") = "2"\nver("none") = "0"\n\nput t "x y"\nget a\ndel b --prev-kv\n\nget b\n\n';

export const CASES: Case[] = [
  // get
  ...inFormats(["get", "a"]),
  ...inFormats(["get", "", "--prefix"]),
  ...inFormats(["get", "none"]),
  ...inFormats(["get", "c"]),
  ...inFormats(["--hex", "get", "c"], ["simple", "json", "protobuf"]),
  { args: ["--hex", "get", "c", "-w", "fields"], ...HEX },
  { args: ["get", "a", "c"] },
  { args: ["get", "b", "--from-key"] },
  { args: ["get", "", "--from-key", "--limit", "2", "-w=json"] },
  { args: ["get", "a", "z", "--order=DESCEND", "--sort-by=VALUE"] },
  { args: ["get", "a", "z", "--order=descend", "--sort-by=create", "--limit=2", "-wjson"] },
  { args: ["get", "a", "z", "--sort-by", "VERSION"] },
  { args: ["get", "a", "z", "--order", "ASCEND", "--sort-by", "MODIFY"] },
  { args: ["get", "", "--prefix", "--keys-only"] },
  { args: ["get", "", "--prefix", "--keys-only=true", "-w", "fields"] },
  { args: ["get", "", "--prefix", "--count-only", "-w", "fields"] },
  { args: ["get", "", "--prefix", "--count-only"] },
  { args: ["get", "a", "--print-value-only"] },
  { args: ["get", "a", "--print-value-only", "-w", "json"] },
  { args: ["get", "--prefix=false", "a"] },
  { args: ["get", "a", "--consistency=s"] },
  { args: ["get", "a", "--consistency=x"] },
  { args: ["get", "a", "--rev", "1"] },
  { args: ["get", "a", "--rev", "-5"] },
  { args: ["get", "a", "--rev", "0x7fffffffffff"] },
  { args: ["ge", "a"] },
  { args: ["get", "--", "--prefix"] },
  ...failing(
    ["get"],
    ["get", "a", "--prefix", "--from-key"],
    ["get", "a", "--keys-only", "--count-only"],
    ["get", "a", "b", "--prefix"],
    ["get", "a", "--order", "up"],
    ["get", "a", "--sort-by", "size"],
    ["get", "a", "-w", "bogus"],
    ["get", "a", "-w", "table"],
  ),
  { args: ["get", "a", "--limit", "x"], ...USAGE },
  { args: ["get", "a", "--limit"], ...USAGE },
  { args: ["get", "--foo"], ...USAGE },
  { args: ["get", "--foo=bar"], ...USAGE },
  { args: ["get", "-z", "a"], ...USAGE },
  { args: ["get", "-1"], ...USAGE },
  { args: ["get", "a", "--prefix=maybe"], ...USAGE },
  { args: ["get", "a", "-w"], ...USAGE },
  { args: ["--dial-timeout", "5", "get", "a"], ...USAGE },
  { args: ["--command-timeout=1x", "get", "a"], ...USAGE },
  // put
  ...inFormats(["put", "k", "v"]),
  ...inFormats(["put", "a", "v", "--prev-kv"]),
  { args: ["put", "a", "--ignore-value", "--lease", "1234"] },
  { args: ["put", "c", "x", "--ignore-lease", "-w", "json"] },
  { args: ["put", "k"], stdin: "from stdin\n" },
  { args: ["put", "k", "--", "-v"] },
  { args: ["put", "--", "k", "-v"] },
  { args: ["put", "none", "--ignore-value"] },
  { args: ["put", "k", "v", "--lease", "99"] },
  { args: ["put", "", "v"] },
  ...failing(["put"], ["put", "k"], ["put", "k", "v", "--ignore-value"], ["put", "k", "v", "--lease", "xyz"]),
  { args: ["put", "k", "-v"], ...USAGE },
  // del
  ...inFormats(["del", "a"]),
  ...inFormats(["del", "a", "c", "--range", "--prev-kv"]),
  // 3.5 warns that there will be a pause, 3.7 makes it.
  { args: ["del", "a", "c"], ours: withoutWarning, reference: withoutWarning },
  { args: ["del", "", "--prefix", "--prev-kv"] },
  { args: ["del", "b", "--from-key"] },
  { args: ["del", "none"] },
  ...failing(
    ["del"],
    ["del", "a", "b", "c"],
    ["del", "a", "b", "--prefix"],
    ["del", "a", "--prefix", "--from-key"],
  ),
  // txn
  ...["simple", "fields", "protobuf"].map((format) => ({
    title: `txn -w ${format}`,
    args: ["txn", "-w", format],
    stdin: TXN,
    schema: format === "protobuf" ? rpcpb.TxnResponseSchema : undefined,
  })),
  { title: "txn -w json", args: ["txn", "-w", "json"], stdin: TXN, ...ONEOF },
  { title: "txn -i", args: ["txn", "-i"], stdin: TXN },
  {
    title: "txn failure branch",
    args: ["txn"],
    stdin: 'mod("a") < "1"\n\nput x 1\n\nget "b"\nget c --hex\n\n'.replace(" --hex", ""),
  },
  { title: "txn without conditions", args: ["txn"], stdin: "\nput 'x y' \"a\\tb\\x00\"\nget 'x y'\n\n\n" },
  {
    title: "txn c= m> ver!= val",
    args: ["txn"],
    stdin: 'c("a") > "0"\nmod("a") != "0"\nver("a") = "2"\nval("b") = "two words"\n\nget a\n\n\n',
  },
  { title: "txn duplicate key", args: ["txn"], stdin: "\nput x 1\nput x 2\n\n\n" },
  { title: "txn end of input", args: ["txn"], stdin: "\nput x 1\n" },
  { title: "txn malformed comparison", args: ["txn"], stdin: "what\n\n\n\n" },
  { title: "txn unknown target", args: ["txn"], stdin: 'size("a") = "1"\n\n\n\n' },
  { title: "txn incomplete comparison", args: ["txn"], stdin: 'ver("a") =\n\n\n\n' },
  { title: "txn number wanted", args: ["txn"], stdin: 'ver("a") = "x"\n\n\n\n' },
  { title: "txn one word", args: ["txn"], stdin: "\nput\n\n\n" },
  { title: "txn unknown operation", args: ["txn"], stdin: "\nfrob a b\n\n\n", reference: (text) => text },
  { title: "txn bad lease", args: ["txn"], stdin: "\nput a b --lease=zz\n\n\n" },
  { title: "txn with arguments", args: ["txn", "x"] },
  // lease
  { args: ["lease", "grant", "1000"], ours: leases, reference: leases },
  { args: ["lease", "grant", "1000", "-w", "json"], ours: leases, reference: leases },
  { args: ["lease", "grant", "1000", "-w", "fields"], ours: leases, reference: leases },
  { args: ["lease", "grant", "99999999999"] },
  ...inFormats(["lease", "revoke", "1234"], ["simple", "json", "fields"]),
  {
    args: ["lease", "revoke", "1234", "-w", "protobuf"],
    ours: (text) => text.replace("*clientv3", "clientv3"),
    reference: (text) => text.replace(/ \(\{.*/, ""),
  },
  { args: ["lease", "revoke", "99"] },
  ...inFormats(["lease", "timetolive", "1234"], ["simple", "json", "fields"]),
  ...inFormats(["lease", "timetolive", "1234", "--keys"], ["simple", "json", "fields"]),
  { args: ["--hex", "lease", "timetolive", "1234", "-w", "fields"], ...HEX },
  { args: ["lease", "timetolive", "99"] },
  { args: ["lease", "timetolive", "99", "-w", "json"] },
  ...inFormats(["lease", "list"], ["simple", "json", "fields"]),
  ...inFormats(["lease", "keep-alive", "1234", "--once"], ["simple", "json", "fields"]),
  { args: ["lease", "keep-alive", "99", "--once"] },
  { args: ["lease", "keep-alive", "99"] },
  ...failing(
    ["lease", "grant"],
    ["lease", "grant", "x"],
    ["lease", "revoke"],
    ["lease", "revoke", "zz"],
    ["lease", "timetolive"],
    ["lease", "timetolive", "zz"],
    ["lease", "keep-alive"],
    ["lease", "keep-alive", "1", "2"],
    ["lease", "list", "-w", "table"],
    ["lease", "grant", "10", "-w", "table"],
  ),
  // compaction
  { args: ["compaction", "1"], before: (client) => compactNow(client) },
  { args: ["compaction", "999999"] },
  ...failing(["compaction"], ["compaction", "x"], ["compaction", "1", "2"]),
  // watch
  {
    args: ["watch", "a", "--rev", "1"],
    before: (client) => compactNow(client),
  },
  { args: ["watch", "z", "a"] },
  // 3.5 leaves the reason out of the answer.
  { args: ["watch", "z", "a", "-w", "json"], ours: (text) => text.replace(',"CancelReason":""', "") },
  ...failing(["watch"], ["watch", "a", "b", "--prefix"], ["watch", "a", "--"]),
  { args: ["watch", "a"], env: { ETCDCTL_WATCH_KEY: "b" } },
  { args: ["watch"], env: { ETCDCTL_WATCH_RANGE_END: "b" } },
  { title: "watch -i", args: ["watch", "-i"], stdin: "what\n\nwatch\nwatch a b --prefix\n" },
  // endpoint, member, alarm, defrag, snapshot
  ...inFormats(["endpoint", "health"], ["simple", "json", "fields"]),
  { args: ["endpoint", "health", "--cluster"] },
  { args: ["endpoint", "health", "--endpoints", "127.0.0.1:28299", "--command-timeout=300ms"] },
  { args: ["endpoint", "status", "--endpoints=127.0.0.1:28299", "--command-timeout=300ms"] },
  { args: ["endpoint", "hashkv", "--endpoints=127.0.0.1:28299", "--command-timeout=300ms"] },
  ...inFormats(["member", "list"], ["simple", "json", "fields", "table", "protobuf"]).map(memberHeader),
  // 3.5 misspells a name.
  {
    args: ["--hex", "member", "list", "-w", "json"],
    reference: (text) => text.replaceAll("clientURLS", "clientURLs"),
  },
  {
    args: ["--hex", "member", "list", "-w", "fields"],
    ours: unHex,
    reference: (text) => unHex(withoutRevision(text)),
  },
  ...failing(
    ["member", "add"],
    ["member", "add", "x"],
    ["member", "add", "x", "http://a:1"],
    ["member", "remove"],
    ["member", "remove", "zz"],
    ["member", "promote", "zz"],
    ["member", "update", "12"],
  ),
  { args: ["member", "remove", "12"] },
  ...inFormats(["alarm", "list"]),
  // 3.5 crashes on fields.
  ...inFormats(["alarm", "disarm"], ["simple", "json", "protobuf"]),
  ...failing(["alarm", "list", "x"], ["alarm", "disarm", "x"], ["alarm", "list", "-w", "table"]),
  // 3.7 says what the argument is.
  { args: ["snapshot", "save"], ours: (text) => text.replace(" <filename>", "") },
  { args: ["snapshot", "save", "x", "--endpoints=127.0.0.1:1,127.0.0.1:2"] },
  { args: ["move-leader"] },
  { args: ["move-leader", "zz"] },
  { args: ["check", "perf", "--load", "zz"] },
  // global flags and environment
  { args: ["get", "a", "--endpoints", "127.0.0.1:28299", "--command-timeout", "200ms"] },
  { args: ["put", "a", "b", "--endpoints", "127.0.0.1:28299", "--command-timeout", "200ms"] },
  { args: ["get", "a"], env: { ETCDCTL_WRITE_OUT: "json" } },
  { args: ["get", "a"], env: { ETCDCTL_WRITE_OUT: "" } },
  { args: ["get", "a"], env: { ETCDCTL_HEX: "true" } },
  { args: ["get", "a", "-w", "json"], env: { ETCDCTL_WRITE_OUT: "json" }, ours: fatal, reference: fatal },
  { args: ["get", "a"], env: { ETCDCTL_ENDPOINTS: "127.0.0.1:28200", ETCDCTL_FOO: "1" } },
  { args: ["get", "a", "--cert", ""] },
  // unknown and ambiguous commands
  { args: ["foo"], ...UNKNOWN },
  { args: ["gett", "a"], ...UNKNOWN },
  { args: ["w", "a", "--rev", "x"], ...USAGE },
];

function unHex(text: string): string {
  return text
    .replace(/("(?:ClusterID|MemberID)" : )\w+/g, "$1ID")
    .replace(/("(?:ID|Lease)" : )(?:0000000000001234|4660)/g, "$1LEASE")
    .replace(/("ID" : )(?:\d{18,20}|[0-9a-f]{15,16})/g, "$1ID");
}

function withoutWarning(text: string): string {
  return text.replace(/^(In etcd v3.6|Warning:).*\n/, "");
}

/** Lease ids that the server chooses are different every time. */
function leases(text: string): string {
  return text.replace(/lease [0-9a-f]{16}/, "lease ID").replace(/("ID"(?: : |:))\d+/, "$1N");
}

async function compactNow(client: Client): Promise<void> {
  const { header } = await client.kv.put("x", "y");
  await client.kv.compact(header.revision);
}

/** 3.5 shows revision 0 in the header of a member list; 3.7 leaves it out. */
function withoutRevision(text: string): string {
  return text.replace('"Revision" : N\n', "");
}

function memberHeader(one: Case): Case {
  return { ...one, reference: withoutRevision };
}

/** Of a fatal log line the message and the variable count; the rest is Go's stack. */
function fatal(text: string): string {
  return text.replace(/^\{"level":"fatal".*?"msg":("[^"]*").*?("environment-variable":"[^"]*").*$/m, "$1 $2");
}
