// Watches at work: starting one, printing what it tells, running a command for every event.

import { spawn } from "node:child_process";
import { create } from "@bufbuild/protobuf";
import {
  type Client,
  EtcdError,
  WatchCanceledError,
  type WatchEvent,
  type Watcher,
  type WatchResponse,
} from "#client";
import { mvccpb, type ResponseHeader, rpcpb } from "#proto";
import { quoteBytes, quoteText, type WatchOutput } from "../../print/index.js";
import { ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";
import { argBytes } from "../words.js";
import type { WatchCall } from "./watch-args.js";

export function startWatch(client: Client, call: WatchCall): Watcher {
  return client.watch.create(argBytes(call.key), {
    prefix: call.prefix,
    rangeEnd: call.rangeEnd === undefined ? undefined : argBytes(call.rangeEnd),
    startRevision: call.revision,
    prevKv: call.prevKv,
    progressNotify: call.progressNotify,
    requireLeader: true,
  });
}

/** Prints a watch's responses until its end. */
export async function printWatch(
  context: Context,
  watcher: Watcher,
  command: readonly string[],
): Promise<void> {
  try {
    for await (const response of watcher) {
      if (response.progress) context.streams.out(`progress notify: ${response.header.revision}\n`);
      context.print({ kind: "watch", response: outputOf(response) });
      if (command.length === 0) continue;
      for (const event of response.events) await runCommand(context, command, response, event);
    }
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    context.streams.err(`watch was canceled (${error.message})\n`);
    context.print({ kind: "watch", response: lastWord(error) });
  }
}

/** What the end of a watch looks like among its responses. */
function lastWord(error: EtcdError): WatchOutput {
  const canceled = error instanceof WatchCanceledError ? error : undefined;
  const header = canceled?.header;
  return {
    header: header === undefined ? create(rpcpb.ResponseHeaderSchema) : headerMessage(header),
    events: header === undefined ? undefined : [],
    compactRevision: BigInt(canceled?.compactRevision ?? 0),
    canceled: true,
    created: false,
    cancelReason: "",
  };
}

function headerMessage(header: ResponseHeader): rpcpb.ResponseHeader {
  return create(rpcpb.ResponseHeaderSchema, {
    clusterId: header.clusterId,
    memberId: header.memberId,
    revision: BigInt(header.revision),
    raftTerm: BigInt(header.raftTerm),
  });
}

function outputOf({ header, events }: WatchResponse): WatchOutput {
  return {
    header: headerMessage(header),
    events: events.map((event) =>
      create(mvccpb.EventSchema, {
        type: mvccpb.Event_EventType[typeName(event)],
        kv: messageOf(event.kv),
        prevKv: event.prevKv === undefined ? undefined : messageOf(event.prevKv),
      }),
    ),
    compactRevision: 0n,
    canceled: false,
    created: false,
    cancelReason: "",
  };
}

function typeName(event: WatchEvent): "PUT" | "DELETE" {
  return event.type === "put" ? "PUT" : "DELETE";
}

function messageOf(kv: WatchEvent["kv"]): mvccpb.KeyValue {
  return create(mvccpb.KeyValueSchema, {
    key: kv.key,
    value: kv.value,
    lease: kv.lease,
    createRevision: BigInt(kv.createRevision),
    modRevision: BigInt(kv.modRevision),
    version: BigInt(kv.version),
  });
}

async function runCommand(
  context: Context,
  command: readonly string[],
  response: WatchResponse,
  event: WatchEvent,
): Promise<void> {
  const env = {
    ...context.host.env,
    ETCD_WATCH_REVISION: String(response.header.revision),
    ETCD_WATCH_EVENT_TYPE: quoteText(typeName(event)),
    ETCD_WATCH_KEY: quoteBytes(event.kv.key),
    ETCD_WATCH_VALUE: quoteBytes(event.kv.value),
  };
  const reason = await runProcess(context, command, env);
  if (reason === undefined) return;
  const name = `[${command.map(quoteText).join(" ")}]`;
  context.streams.err(`command ${name} error (${reason})\n`);
  throw new ExitError(ExitCode.Error);
}

/** Runs a process to its end; returns why it failed, if it did. */
function runProcess(
  context: Context,
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (data: Buffer) => context.streams.out(data));
    child.stderr.on("data", (data: Buffer) => context.streams.err(data.toString()));
    child.on("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT";
      resolve(missing ? `exec: ${quoteText(command[0])}: executable file not found in $PATH` : error.message);
    });
    child.on("close", (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve(code === null ? `signal: ${signal}` : `exit status ${code}`);
    });
  });
}
