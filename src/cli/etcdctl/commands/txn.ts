// etcdctl txn: three lists on standard input, each ended by an empty line: conditions, operations when they hold, operations
// when they do not.

import { type CompareOperator, compare, encodeTxn, type TxnOp, txnRequest } from "#client";
import { type Compare, rpcpb } from "#proto";
import { clampToNumber, parseInt64, ValueError } from "../../flags/index.js";
import { type Output, quoteText } from "../../print/index.js";
import { badArgs, type CommandSpec, ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";
import { FlagError } from "../pflag-command.js";
import { readCommandLine } from "../program.js";
import { argBytes, splitWords, unquote } from "../words.js";
import { DEL, delRequest } from "./del.js";
import { GET, getRequest } from "./get.js";
import { PUT, putRequestOf } from "./put.js";

export const TXN: CommandSpec = {
  name: "txn",
  use: "txn [options]",
  short: "Txn processes all the requests in one transaction",
  long: `Txn reads the parts of one atomic transaction from standard input, each part ended by an empty line:
1) conditions, all of which must hold,
2) requests to apply if they do,
3) requests to apply if one does not.

Example:

---
etcdctl txn -i
# compares:
mod("key1") > "0"

# success requests (get, put, del):
put key1 "overwrote-key1"

# failure requests (get, put, del):
put key1 "created-key1"
put key2 "some extra key"
---
`,
  group: "Key-value commands",
  flags: [
    {
      name: "interactive",
      short: "i",
      type: "bool",
      default: false,
      help: "Input transaction in interactive mode",
    },
  ],
  run: txn,
};

async function txn(context: Context): Promise<Output> {
  if (context.args.length !== 0) throw badArgs("txn command does not accept argument");
  const client = context.client();
  const prompt = (text: string): void => {
    if (context.flags.bool("interactive")) context.streams.out(`${text}\n`);
  };
  prompt("compares:");
  const conditions = await readList(context, (line) => Promise.resolve(parseCompare(line)));
  prompt("success requests (get, put, del):");
  const success = await readList(context, (line) => parseOperation(context, line));
  prompt("failure requests (get, put, del):");
  const failure = await readList(context, (line) => parseOperation(context, line));
  const request = encodeTxn(txnRequest({ compare: conditions, success, failure }));
  return { kind: "txn", response: await client.call(rpcpb.KV.method.txn, request) };
}

async function readList<T>(context: Context, parse: (line: string) => Promise<T>): Promise<T[]> {
  const list: T[] = [];
  for (;;) {
    const line = await context.host.stdin.line();
    if (line === undefined) throw badInput("EOF");
    const text = line.trim();
    if (text === "") return list;
    list.push(await parse(text));
  }
}

function badInput(message: string): ExitError {
  return new ExitError(ExitCode.InvalidInput, message);
}

async function parseOperation(context: Context, line: string): Promise<TxnOp> {
  const words = wordsOf(line);
  if (words.length < 2) throw badInput(`invalid txn compare request: ${line}`);
  const spec = [PUT, GET, DEL].find(({ name }) => name.startsWith(words[0]));
  if (spec === undefined) throw badInput(`invalid txn request: ${line}`);
  try {
    const invocation = readCommandLine(spec, words.slice(1));
    if (spec === GET) return getRequest(invocation);
    if (spec === DEL) return await delRequest(invocation, (text) => context.streams.err(text));
    // Standard input holds the transaction, so a value cannot come from there.
    return await putRequestOf(invocation, () => Promise.resolve(new Uint8Array(0)));
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw badInput(`invalid txn request: ${line}`);
  }
}

function wordsOf(line: string): string[] {
  try {
    return splitWords(line);
  } catch (error) {
    throw badInput(error instanceof Error ? error.message : String(error));
  }
}

const QUOTED = /^\s*("(?:\\.|[^"\\])*")/;

/** Reads `target("key") op "value"`. */
function parseCompare(line: string): Compare {
  const paren = line.indexOf("(");
  if (paren < 0) throw badInput(`malformed comparison: ${line}`);
  const target = line.slice(0, paren);
  const { key, operator, value, complete } = scanComparison(line.slice(paren + 1));
  if (!complete) {
    const got = `${target}(${quoteText(key)}) ${operator} ${quoteText(value)}`;
    throw badInput(`malformed comparison: ${line}; got ${got}`);
  }
  if (!isOperator(operator)) throw badInput(`malformed comparison: ${line} (unknown operator ${operator})`);
  try {
    return comparison(line, target, argBytes(key), operator, value);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw badInput(`invalid txn compare request: ${line}`);
  }
}

/** Takes `"key") op "value"` apart as far as it goes. */
function scanComparison(text: string): { key: string; operator: string; value: string; complete: boolean } {
  const result = { key: "", operator: "", value: "", complete: false };
  const key = QUOTED.exec(text);
  if (key === null) return result;
  result.key = unquote(key[1]);
  const operator = /^\)\s*(\S+)/.exec(text.slice(key[0].length));
  if (operator === null) return result;
  result.operator = operator[1];
  const value = QUOTED.exec(text.slice(key[0].length + operator[0].length));
  if (value === null) return result;
  result.value = unquote(value[1]);
  result.complete = true;
  return result;
}

function isOperator(text: string): text is CompareOperator {
  return text === "=" || text === "!=" || text === ">" || text === "<";
}

function comparison(
  line: string,
  target: string,
  key: Uint8Array,
  operator: CompareOperator,
  value: string,
): Compare {
  switch (target) {
    case "ver":
    case "version":
      return compare.version(key, operator, clampToNumber(parseInt64(value)));
    case "c":
    case "create":
      return compare.createRevision(key, operator, clampToNumber(parseInt64(value)));
    case "m":
    case "mod":
      return compare.modRevision(key, operator, clampToNumber(parseInt64(value)));
    case "val":
    case "value":
      return compare.value(key, operator, argBytes(value));
    case "lease":
      return compare.lease(key, operator, parseInt64(value, 16));
    default:
      throw badInput(`malformed comparison: ${line} (unknown target ${target})`);
  }
}
