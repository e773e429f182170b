// Every bound of this room, by name. A peer may be slow, broken or hostile: whatever it makes us hold, repeat or wait
// for is counted against a number in this file, and a peer that exceeds it is cut while its neighbours go on. The
// relations between the numbers are asserted once, at load.
//
// Rates are token buckets refilled once a second (see abuse.ts); times are in milliseconds and are checked by the
// sweep that runs once a second, so they hold to within one second.

import { assert } from "#base";
import { DEFAULT_HEADER_TABLE_BYTES, FRAME_BYTES_MIN, WINDOW_BYTES_MAX } from "./protocol.js";

const KIB = 1024;
const MIB = 1024 * KIB;

export const BUDGETS = {
  // -- frames and header blocks ---------------------------------------------------------------------------------

  /** Largest frame payload that we accept and that we send. The protocol's minimum, as Go's gRPC has it. */
  frameBytes: FRAME_BYTES_MIN,
  /** Compressed bytes of one header block over HEADERS and CONTINUATION frames. */
  headerBlockBytes: 64 * KIB,
  /** CONTINUATION frames of one header block: CVE-2024-28182 and its kin. */
  continuationFrames: 32,
  /** Decoded size of one header list (names + values + 32 each), announced as SETTINGS_MAX_HEADER_LIST_SIZE. */
  headerListBytes: 64 * KIB,
  /** Our decoder's dynamic table; a peer that sets more is in error. */
  headerTableBytes: DEFAULT_HEADER_TABLE_BYTES,
  /** Parameters in one SETTINGS frame. */
  settingsPerFrame: 32,
  /** Header blocks remembered by their bytes, per connection. */
  headerBlockCacheEntries: 8,
  /** Bytes of a grpc-message trailer that we send. */
  statusMessageBytes: 8 * KIB,

  // -- memory ----------------------------------------------------------------------------------------------------

  /** Receive window of one stream. */
  streamWindowBytes: 256 * KIB,
  /** Receive window of a connection. */
  connectionWindowBytes: 2 * MIB,
  /** Streams open at a time when the operator sets no limit of his own. */
  concurrentStreams: 131_072,
  /** Bytes of half-received messages, per connection and over all connections of a server. */
  assemblyBytesPerConnection: 64 * MIB,
  assemblyBytesTotal: 256 * MIB,
  /** First allocation for a message that arrives in pieces: a declared length buys no memory by itself. */
  assemblyFirstBytes: 16 * KIB,
  /** Queued bytes on one stream above which `send` asks its caller to wait for onDrain. */
  streamQueueHighBytes: 64 * KIB,
  /** Bytes handed to a socket and not yet taken by the kernel, above which the connection stops producing. */
  socketBufferBytes: 512 * KIB,
  /** Queued bytes of a connection above which arriving calls wait their turn before they reach a handler. */
  parkCallsBytes: 4 * MIB,
  /** Queued bytes of one connection, and over all connections, above which connections are cut. */
  queuedBytesPerConnection: 256 * MIB,
  queuedBytesTotal: 512 * MIB,
  /** Calls of one connection waiting because of parkCallsBytes, and their bytes. */
  parkedCalls: 16_384,
  parkedBytes: 16 * MIB,

  // -- rates, per connection ---------------------------------------------------------------------------------------

  /** Streams that end by RST_STREAM, whoever sent it (rapid reset, MadeYouReset): at once, and each second. */
  resetBurst: 1_000,
  resetsPerSecond: 100,
  /** Frames that carry no work: empty, unknown, PING, SETTINGS, PRIORITY, tiny DATA, WINDOW_UPDATE. */
  idleFrameBurst: 10_000,
  idleFramesPerSecond: 1_000,
  /** Idle frames forgiven for each message that arrives and each DATA frame that leaves: honest window updates and
   *  bandwidth probes come in proportion to those and never add up. */
  idleFramesPerUnit: 8,
  /** Bytes that gzip messages unfold to beyond inflationRatio times their own size: at once, and each second. */
  inflationRatio: 64,
  inflationBurst: 32 * MIB,
  inflationPerSecond: 4 * MIB,
  /** What a SETTINGS frame costs in idle frames, and a DATA frame under tinyDataBytes that ends nothing. */
  settingsCost: 50,
  tinyDataBytes: 64,
  /** PINGs that break the keepalive policy before GOAWAY; Go's gRPC allows two. */
  pingStrikes: 2,

  // -- times -------------------------------------------------------------------------------------------------------

  /** From accept to the first bytes, the TLS handshake, and the client's preface and SETTINGS. */
  handshakeMs: 10_000,
  /** A header block or a frame begun and not finished. */
  partialFrameMs: 10_000,
  /** A unary request begun and not finished. */
  halfSentCallMs: 60_000,
  /** A socket that takes no byte although some are waiting. */
  socketStallMs: 20_000,
  /** A stream whose window stays shut although bytes are waiting. */
  streamStallMs: 60_000,
  /** From our last GOAWAY until the socket is destroyed, and the bytes that we throw away meanwhile. */
  lingerMs: 1_000,
  lingerBytes: 4 * MIB,
  /** How often the sweep looks at all of these. */
  sweepMs: 1_000,
  /** A client whose PING is not answered on graceful stop is taken to have seen the first GOAWAY. */
  drainPingMs: 1_000,

  // -- output buffers ------------------------------------------------------------------------------------------------

  /** An output buffer starts small, for the usual turn of a few replies, and is replaced by a large one. */
  outputSmallBytes: 8 * KIB,
  outputLargeBytes: 64 * KIB,
  /** Buffers kept for the next turn; what a second did not need is let go of at its end. */
  outputSmallPooled: 512,
  outputLargePooled: 1024,
  /** Bytes of DATA that a connection may write in one turn of the event loop: a peer that reads as fast as we write
   *  must not keep us from everybody else. */
  turnBytes: MIB,
  /** Bytes that one stream may write before the next waiting stream of the connection has its turn. */
  sendQuantumBytes: 64 * KIB,

  // -- logs ------------------------------------------------------------------------------------------------------------

  /** Lines about cut connections, over all connections of a server. */
  cutLogBurst: 100,
  cutLogsPerSecond: 10,
} as const;

/** gRPC's own defaults, which the options of a server or channel replace. */
export const DEFAULTS = {
  maxReceiveBytes: 4 * MIB,
  maxSendBytes: 0x7fff_ffff,
  /** Shortest time between a client's pings: etcd's grpc-keepalive-min-time. */
  keepaliveMinTimeMs: 5_000,
  /** Between pings of a client that has no stream open and may not send any. */
  keepaliveIdleMinTimeMs: 7_200_000,
  /** The server's own pings: grpc-keepalive-interval and -timeout. */
  keepaliveIntervalMs: 7_200_000,
  keepaliveTimeoutMs: 20_000,
  connectTimeoutMs: 20_000,
} as const;

assert(BUDGETS.frameBytes >= FRAME_BYTES_MIN, "a frame limit below the protocol's minimum is not allowed");
assert(
  BUDGETS.connectionWindowBytes <= WINDOW_BYTES_MAX &&
    BUDGETS.streamWindowBytes <= BUDGETS.connectionWindowBytes,
  "a stream's window fits into its connection's",
);
assert(
  BUDGETS.frameBytes + 9 <= BUDGETS.outputLargeBytes && BUDGETS.outputSmallBytes < BUDGETS.outputLargeBytes,
  "a frame fits into an output buffer",
);
assert(
  BUDGETS.headerBlockBytes <= BUDGETS.continuationFrames * BUDGETS.frameBytes,
  "the largest header block can be sent within the frame count",
);
assert(
  BUDGETS.statusMessageBytes * 3 + 1024 < BUDGETS.outputLargeBytes,
  "an escaped status fits into a buffer",
);
assert(
  BUDGETS.assemblyBytesPerConnection <= BUDGETS.assemblyBytesTotal &&
    BUDGETS.queuedBytesPerConnection <= BUDGETS.queuedBytesTotal,
  "one connection's share is not above the total",
);
assert(BUDGETS.parkCallsBytes < BUDGETS.queuedBytesPerConnection, "calls wait before connections are cut");
assert(
  BUDGETS.streamQueueHighBytes < BUDGETS.parkCallsBytes,
  "one stream at its mark does not park its neighbours",
);
assert(BUDGETS.outputLargeBytes <= BUDGETS.socketBufferBytes, "one full buffer does not block a connection");
assert(BUDGETS.sweepMs <= BUDGETS.lingerMs, "times are no finer than the sweep that checks them");
