// What a conformance case is: a row of what to send and what must come of it.

import {
  ACK,
  DATA,
  type Frame,
  GOAWAY,
  HEADERS,
  PING,
  ping,
  RawClient,
  RST_STREAM,
  SETTINGS,
  type Target,
} from "./raw-client.js";

export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const FLOW_CONTROL_ERROR = 3;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

/** What must happen. Stricter than "or closes the connection": an error has to be told by its frame and code. */
export type Outcome =
  /** GOAWAY with one of the codes, and the connection closes. */
  | { kind: "connection-error"; codes: number[] }
  /** The connection closes, with or without a word. */
  | { kind: "closed" }
  /** RST_STREAM on the stream with one of the codes, and the connection lives. */
  | { kind: "stream-error"; stream: number; codes: number[] }
  /** Either of both: where the RFC leaves the choice to the server. */
  | { kind: "error"; stream: number; codes: number[] }
  /** Response headers on the stream, and the connection lives. */
  | { kind: "response"; stream: number }
  /** A DATA frame of exactly so many bytes as the first on the stream. */
  | { kind: "data"; stream: number; bytes: number }
  | { kind: "settings-ack" }
  | { kind: "ping-ack"; payload: string }
  /** Nothing that is an error; the connection lives. */
  | { kind: "ignored" };

/** A step is bytes to send, or a frame to wait for before going on. */
export type Step = Buffer | { waitFor: (frame: Frame) => boolean };

export interface Case {
  /** Section of RFC 9113 or RFC 7541, or of the list of generic cases. */
  section: string;
  title: string;
  /** Settings that the client sends with its preface. */
  settings?: [id: number, value: number][];
  /** Bytes that replace preface and SETTINGS. */
  preface?: Buffer;
  steps: Step[];
  expect: Outcome;
}

export function responseOn(stream: number): Step {
  return { waitFor: (frame) => frame.type === HEADERS && frame.streamId === stream };
}

export function endOf(stream: number): Step {
  return {
    waitFor: (frame) => frame.type === HEADERS && frame.streamId === stream && (frame.flags & ACK) !== 0,
  };
}

export const connectionError = (...codes: number[]): Outcome => ({ kind: "connection-error", codes });
export const streamError = (stream: number, ...codes: number[]): Outcome => ({
  kind: "stream-error",
  stream,
  codes,
});
export const eitherError = (stream: number, ...codes: number[]): Outcome => ({
  kind: "error",
  stream,
  codes,
});
export const response = (stream: number): Outcome => ({ kind: "response", stream });

/** Runs one case; returns what is wrong, or undefined. */
export async function runCase(target: Target, row: Case): Promise<string | undefined> {
  const client =
    row.preface === undefined
      ? await RawClient.open(target, ...(row.settings ?? []))
      : await RawClient.connect(target);
  try {
    if (row.preface !== undefined) client.send(row.preface);
    for (const step of row.steps) {
      if (Buffer.isBuffer(step)) client.send(step);
      else if ((await client.until(step.waitFor)) === undefined)
        return `a step waited in vain: ${describe(client)}`;
    }
    return await check(client, row.expect);
  } finally {
    client.destroy();
  }
}

async function check(client: RawClient, expected: Outcome): Promise<string | undefined> {
  switch (expected.kind) {
    case "connection-error":
      return (
        (await sawGoaway(client, expected.codes)) ?? ((await client.untilClosed()) ? undefined : "not closed")
      );
    case "closed":
      return (await client.untilClosed()) ? undefined : "not closed";
    case "stream-error":
      return (await sawReset(client, expected.stream, expected.codes)) ?? (await alive(client));
    case "error":
      return sawEither(client, expected.stream, expected.codes);
    case "response":
      return (
        (await saw(client, (f) => f.type === HEADERS && f.streamId === expected.stream)) ??
        (await alive(client))
      );
    case "data":
      return sawData(client, expected.stream, expected.bytes);
    case "settings-ack":
      return saw(client, (f) => f.type === SETTINGS && (f.flags & ACK) !== 0, 2);
    case "ping-ack":
      return saw(
        client,
        (f) => f.type === PING && (f.flags & ACK) !== 0 && f.payload.toString("latin1") === expected.payload,
      );
    case "ignored":
      return alive(client);
  }
}

/** Waits for the `times`-th frame of a kind. */
async function saw(
  client: RawClient,
  wanted: (frame: Frame) => boolean,
  times = 1,
): Promise<string | undefined> {
  let left = times;
  const found = await client.until((frame) => wanted(frame) && --left === 0);
  return found === undefined ? `not seen: ${describe(client)}` : undefined;
}

async function sawGoaway(client: RawClient, codes: number[]): Promise<string | undefined> {
  const goaway = await client.until((frame) => frame.type === GOAWAY);
  if (goaway === undefined) return `no GOAWAY: ${describe(client)}`;
  return codes.includes(goaway.payload.readUInt32BE(4)) ? undefined : `wrong code: ${describe(client)}`;
}

async function sawReset(client: RawClient, stream: number, codes: number[]): Promise<string | undefined> {
  const reset = await client.until((frame) => frame.type === RST_STREAM && frame.streamId === stream);
  if (reset === undefined) return `no RST_STREAM: ${describe(client)}`;
  return codes.includes(reset.payload.readUInt32BE(0)) ? undefined : `wrong code: ${describe(client)}`;
}

async function sawEither(client: RawClient, stream: number, codes: number[]): Promise<string | undefined> {
  const error = await client.until(
    (frame) => frame.type === GOAWAY || (frame.type === RST_STREAM && frame.streamId === stream),
  );
  if (error === undefined) return `no error: ${describe(client)}`;
  const code = error.payload.readUInt32BE(error.type === GOAWAY ? 4 : 0);
  return codes.includes(code) ? undefined : `wrong code: ${describe(client)}`;
}

async function sawData(client: RawClient, stream: number, bytes: number): Promise<string | undefined> {
  const first = await client.until((frame) => frame.type === DATA && frame.streamId === stream);
  if (first === undefined) return `no DATA: ${describe(client)}`;
  return first.payload.length === bytes ? undefined : `wrong size: ${describe(client)}`;
}

/** The connection still answers a PING, and nothing was refused. */
async function alive(client: RawClient): Promise<string | undefined> {
  client.send(ping("alive..."));
  const ack = await client.until(
    (f) => f.type === PING && (f.flags & ACK) !== 0 && f.payload.toString() === "alive...",
  );
  return ack === undefined ? `dead: ${describe(client)}` : undefined;
}

function describe(client: RawClient): string {
  const frames = client.frames.map((f) => {
    const code =
      f.type === GOAWAY ? f.payload.readUInt32BE(4) : f.type === RST_STREAM ? f.payload.readUInt32BE(0) : "";
    return `${f.type}/${f.flags}@${f.streamId}[${f.payload.length}]${code}`;
  });
  return `${frames.join(" ")}${client.closed ? " closed" : ""}`;
}
