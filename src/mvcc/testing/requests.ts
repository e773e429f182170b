// Requests and responses of the store as text, for the scenarios and for failures of the property tests.
//
//   get <key> [<end>] [rev=N] [limit=N] [sort=[-]target] [keys] [count] [minmod= maxmod= mincreate= maxcreate=N]
//   put <key> [<value>] [lease=N] [prev] [ignore_value] [ignore_lease]
//   del <key> [<end>] [prev]
//   txn                          and below it, indented:
//     if <key> [<end>] <version|create|mod|value|lease> <=|!=|<|>> <operand>
//     then  /  else              and below them, indented further, operations
//
// `*` as an end stands for "\0", from the key on; `""` for nothing.

import { fromBinary } from "@bufbuild/protobuf";
import { printable, utf8 } from "#base";
import {
  Compare,
  CompareResult,
  CompareTarget,
  DeleteRangeRequest,
  type mvccpb,
  PutRequest,
  RangeRequest,
  type RequestOp,
  rpcpb,
  SortOrder,
  TxnRequest,
} from "#proto";

type Options = Map<string, string>;

/** The words of a line: plain ones, and `name=value` or bare flags after them. */
function split(words: readonly string[], plainMax: number): { plain: Uint8Array[]; options: Options } {
  const plain: Uint8Array[] = [];
  const options: Options = new Map();
  for (const word of words) {
    const at = word.indexOf("=");
    if (at > 0) options.set(word.slice(0, at), word.slice(at + 1));
    else if (FLAGS.has(word) || plain.length === plainMax) options.set(word, "");
    else plain.push(word === '""' ? utf8("") : word === "*" ? utf8("\0") : utf8(word));
  }
  return { plain, options };
}

const FLAGS = new Set(["prev", "ignore_value", "ignore_lease", "keys", "count"]);
const TARGETS = ["key", "version", "create", "mod", "value"];

export function parseRange(words: readonly string[]): RangeRequest {
  const { plain, options } = split(words, 2);
  const number = (name: string) => Number(options.get(name) ?? 0);
  const req = new RangeRequest();
  req.key = plain[0];
  req.rangeEnd = plain[1] ?? utf8("");
  req.revision = number("rev");
  req.limit = number("limit");
  req.keysOnly = options.has("keys");
  req.countOnly = options.has("count");
  req.minModRevision = number("minmod");
  req.maxModRevision = number("maxmod");
  req.minCreateRevision = number("mincreate");
  req.maxCreateRevision = number("maxcreate");
  const sort = options.get("sort");
  if (sort === undefined) return req;
  const order = { "-": SortOrder.Descend, "?": SortOrder.None }[sort[0]];
  req.sortOrder = order ?? SortOrder.Ascend;
  req.sortTarget = TARGETS.indexOf(order === undefined ? sort : sort.slice(1));
  return req;
}

export function parsePut(words: readonly string[]): PutRequest {
  const { plain, options } = split(words, 2);
  const req = new PutRequest();
  req.key = plain[0];
  req.value = plain[1] ?? utf8("");
  req.lease = BigInt(options.get("lease") ?? 0);
  req.prevKv = options.has("prev");
  req.ignoreValue = options.has("ignore_value");
  req.ignoreLease = options.has("ignore_lease");
  return req;
}

export function parseDelete(words: readonly string[]): DeleteRangeRequest {
  const { plain, options } = split(words, 2);
  const req = new DeleteRangeRequest();
  req.key = plain[0];
  req.rangeEnd = plain[1] ?? utf8("");
  req.prevKv = options.has("prev");
  return req;
}

const OPERATORS: Readonly<Record<string, number>> = {
  "=": CompareResult.Equal,
  "!=": CompareResult.NotEqual,
  ">": CompareResult.Greater,
  "<": CompareResult.Less,
};

function parseCompare(words: readonly string[]): Compare {
  const operand = words[words.length - 1];
  const compare = new Compare();
  compare.key = utf8(words[0]);
  if (words.length === 5) compare.rangeEnd = utf8(words[1] === "*" ? "\0" : words[1]);
  compare.result = OPERATORS[words[words.length - 2]];
  switch (words[words.length - 3]) {
    case "version":
      return Object.assign(compare, {
        target: CompareTarget.Version,
        unionField: 4,
        version: Number(operand),
      });
    case "create":
      return Object.assign(compare, {
        target: CompareTarget.Create,
        unionField: 5,
        createRevision: Number(operand),
      });
    case "mod":
      return Object.assign(compare, {
        target: CompareTarget.Mod,
        unionField: 6,
        modRevision: Number(operand),
      });
    case "value":
      return Object.assign(compare, { target: CompareTarget.Value, unionField: 7, value: utf8(operand) });
    default:
      return Object.assign(compare, { target: CompareTarget.Lease, unionField: 8, lease: BigInt(operand) });
  }
}

/** Parses the indented lines below `txn`. */
export function parseTxn(lines: readonly string[]): TxnRequest {
  const txn = new TxnRequest();
  for (const { words, below } of blocks(lines)) {
    if (words[0] === "if") txn.compare.push(parseCompare(words.slice(1)));
    else if (words[0] === "then")
      txn.success = below.length > 0 ? parseOps(below) : parseOps([words.slice(1).join(" ")]);
    else if (words[0] === "else")
      txn.failure = below.length > 0 ? parseOps(below) : parseOps([words.slice(1).join(" ")]);
    else throw new Error(`not a part of a txn: ${words.join(" ")}`);
  }
  return txn;
}

function parseOps(lines: readonly string[]): RequestOp[] {
  return blocks(lines).map(({ words: [name, ...rest], below }) => {
    if (name === "get") return parseRange(rest);
    if (name === "put") return parsePut(rest);
    if (name === "del") return parseDelete(rest);
    if (name === "txn") return parseTxn(below);
    return undefined;
  });
}

/** Cuts lines into those of the outermost indentation with what is indented below each. */
function blocks(lines: readonly string[]): { words: string[]; below: string[] }[] {
  const indentOf = (line: string) => line.length - line.trimStart().length;
  const outer = Math.min(...lines.map(indentOf));
  const found: { words: string[]; below: string[] }[] = [];
  for (const line of lines) {
    if (indentOf(line) === outer) found.push({ words: line.trim().split(/\s+/), below: [] });
    else found[found.length - 1].below.push(line);
  }
  return found;
}

export function kvText(kv: mvccpb.KeyValue): string {
  const lease = kv.lease === 0n ? "" : ` lease=${kv.lease}`;
  const value = kv.value.length === 0 ? "" : `=${printable(kv.value)}`;
  return `${printable(kv.key)}${value} (create ${kv.createRevision} mod ${kv.modRevision} version ${kv.version}${lease})`;
}

function revisionText(header: rpcpb.ResponseHeader | undefined): string {
  if (header === undefined) return "";
  return header.revision === 0n ? "header empty\n" : `rev ${header.revision}\n`;
}

export function rangeText(body: Uint8Array): string {
  return rangeLines(fromBinary(rpcpb.RangeResponseSchema, body));
}

export function putText(body: Uint8Array): string {
  return putLines(fromBinary(rpcpb.PutResponseSchema, body));
}

export function deleteText(body: Uint8Array): string {
  return deleteLines(fromBinary(rpcpb.DeleteRangeResponseSchema, body));
}

export function txnText(body: Uint8Array): string {
  return txnLines(fromBinary(rpcpb.TxnResponseSchema, body));
}

function rangeLines(response: rpcpb.RangeResponse): string {
  const kvs = response.kvs.map((kv) => `${kvText(kv)}\n`).join("");
  return `${revisionText(response.header)}${kvs}count ${response.count}${response.more ? " more" : ""}\n`;
}

function putLines(response: rpcpb.PutResponse): string {
  const previous = response.prevKv === undefined ? "" : `previous ${kvText(response.prevKv)}\n`;
  return `${revisionText(response.header)}${previous}`;
}

function deleteLines(response: rpcpb.DeleteRangeResponse): string {
  const previous = response.prevKvs.map((kv) => `previous ${kvText(kv)}\n`).join("");
  return `${revisionText(response.header)}deleted ${response.deleted}\n${previous}`;
}

function txnLines(response: rpcpb.TxnResponse): string {
  const responses = response.responses.map((each) => indent(responseLines(each))).join("");
  return `${revisionText(response.header)}${response.succeeded ? "succeeded" : "failed"}\n${responses}`;
}

function responseLines({ response }: rpcpb.ResponseOp): string {
  switch (response.case) {
    case "responseRange":
      return `range\n${indent(rangeLines(response.value))}`;
    case "responsePut":
      return `put\n${indent(putLines(response.value))}`;
    case "responseDeleteRange":
      return `delete\n${indent(deleteLines(response.value))}`;
    case "responseTxn":
      return `txn\n${indent(txnLines(response.value))}`;
    default:
      return "nothing\n";
  }
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}
