// Logs in the shape of etcd's: one JSON object a line with level, ts, caller, msg and the fields, so that what operators
// have built around etcd's logs (alerts, parsers, tools that wait for a message) goes on working. pino writes the
// lines; this file names the keys and renders the values that JSON has no form for:
//
//   bigint      member, cluster and lease ids, as etcd prints ids: lower-case hex
//   Error       its message
//   bytes       printable ASCII, the rest as \xNN
//
// Differences: msg comes after the fields (JSON gives order no meaning), times carry milliseconds, always in UTC.
// Writing is synchronous: the last words of a member that panics must be on the disk or the terminal.
// Left out: systemd's journal and log rotation (external tools do both well).

import { pino } from "pino";
import type { Logger, LogLevel } from "#base";
import { printable } from "#base";
import type { EtcdConfig, LogFormat } from "./config.js";

type Fields = Readonly<Record<string, unknown>>;
type PinoLogger = ReturnType<typeof pino>;
/** Where lines go. Each call of `write` gets one whole line with its newline. */
export interface LogSink {
  write(line: string): void;
}

/** The member's logger: the port of all rooms, and `fatal` for the owner of the process. */
export class ZapShapedLogger implements Logger {
  private readonly out: PinoLogger;

  constructor(level: LogLevel, format: LogFormat, sink: LogSink) {
    this.out = pino(
      {
        level,
        base: null,
        messageKey: "msg",
        timestamp: () => `,"ts":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
      },
      format === "console" ? new ConsoleSink(sink) : sink,
    );
  }

  isEnabled(level: LogLevel): boolean {
    return this.out.isLevelEnabled(level);
  }

  debug(message: string, fields?: Fields): void {
    if (this.out.isLevelEnabled("debug")) this.out.debug(line(fields), message);
  }

  info(message: string, fields?: Fields): void {
    if (this.out.isLevelEnabled("info")) this.out.info(line(fields), message);
  }

  warn(message: string, fields?: Fields): void {
    if (this.out.isLevelEnabled("warn")) this.out.warn(line(fields), message);
  }

  error(message: string, fields?: Fields): void {
    if (this.out.isLevelEnabled("error")) this.out.error(line(fields), message);
  }

  /** Says why the process is about to end. Does not end it. */
  fatal(message: string, fields?: Fields): void {
    this.out.fatal(line(fields), message);
  }
}

/**
 * The logger that `config` asks for: level, format, and every output at once.
 * @throws Error when a log file cannot be opened
 */
export function createLogger(
  config: Pick<EtcdConfig, "logLevel" | "logFormat" | "logOutputs">,
): ZapShapedLogger {
  const paths = new Set(config.logOutputs.map(outputPath));
  const sinks = [...paths].map((path) => openOutput(path));
  return new ZapShapedLogger(config.logLevel, config.logFormat, sinks.length === 1 ? sinks[0] : allOf(sinks));
}

function allOf(sinks: readonly LogSink[]): LogSink {
  return {
    write(text: string): void {
      for (const sink of sinks) sink.write(text);
    },
  };
}

function outputPath(output: string): string {
  return output === "default" ? "stderr" : output;
}

function openOutput(path: string): LogSink {
  const dest = path === "stderr" ? 2 : path === "stdout" ? 1 : path;
  return pino.destination({ dest, sync: true, append: true });
}

function line(fields: Fields | undefined): Record<string, unknown> {
  const out: Record<string, unknown> = { caller: caller() };
  for (const name in fields) out[name] = rendered(fields[name]);
  return out;
}

function rendered(value: unknown): unknown {
  if (typeof value === "bigint") return BigInt.asUintN(64, value).toString(16);
  if (value instanceof Error) return value.message;
  if (value instanceof Uint8Array) return printable(value);
  if (Array.isArray(value)) return value.map(rendered);
  if (value instanceof Map) return rendered(Object.fromEntries(value));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, rendered(inner)]));
  }
  return value;
}

/** `room/file.js:line` of whoever called the logger: two path elements, as zap's short callers. */
function caller(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 4; // caller(), line(), the logger's method, and the frame that is wanted
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = limit;
  const frame = stack.slice(stack.lastIndexOf("\n"));
  const found = /([^/\\(]+[/\\][^/\\]+:\d+):\d+\)?$/.exec(frame);
  return found === null ? "" : found[1];
}

/** etcd's console form: time, level, caller, message and the fields as JSON, with tabs between. */
class ConsoleSink implements LogSink {
  private readonly sink: LogSink;

  constructor(sink: LogSink) {
    this.sink = sink;
  }

  write(text: string): void {
    const { level, ts, caller: from, msg, ...fields } = JSON.parse(text) as Record<string, unknown>;
    const parts = [ts, level, from, msg];
    if (Object.keys(fields).length > 0) parts.push(JSON.stringify(fields));
    this.sink.write(`${parts.join("\t")}\n`);
  }
}
