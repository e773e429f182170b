// What every call is checked for before its handler sees it: whether a learner may answer it, whether the client's metadata
// is sound, and whether a client that insists on a leader can have one. Calls with equal headers share one `Metadata`, so
// what it says is worked out once and kept in its slot.

import {
  ErrInvalidClientAPIVersion,
  ErrNoLeader,
  ErrNotSupportedForLearner,
  ErrStopped,
  type RpcError,
} from "#proto";
import type { ServerCall } from "#rpc";
import type { Member } from "../member.js";

const HAS_LEADER = "hasleader";
const CLIENT_API_VERSION = "client-api-version";
/** Versions counted apart; clients choose the text, so what comes beyond counts as one. */
const VERSIONS_MAX = 32;
const UNKNOWN_VERSION = "unknown";

/** What a learner answers: its own state, and reads that may be stale (the handler looks). */
const LEARNER_METHODS = new Set([
  "/etcdserverpb.KV/Range",
  "/etcdserverpb.Maintenance/Status",
  "/etcdserverpb.Maintenance/Alarm",
]);

/** Calls of clients that name one version. */
export class VersionCount {
  readonly version: string;
  unary = 0;
  streams = 0;

  constructor(version: string) {
    this.version = version;
  }
}

class Sound {
  readonly requiresLeader: boolean;
  readonly error: RpcError | undefined;
  readonly count: VersionCount;

  constructor(requiresLeader: boolean, count: VersionCount, error: RpcError | undefined) {
    this.requiresLeader = requiresLeader;
    this.count = count;
    this.error = error;
  }
}

export class Admission {
  private readonly member: Member;
  readonly requests = new Map<string, VersionCount>();

  constructor(member: Member) {
    this.member = member;
  }

  /** The error that answers the call, or undefined when its handler may have it. */
  check(call: ServerCall): RpcError | undefined {
    const { member } = this;
    if (member.isStopped) return ErrStopped;
    if (member.isLearner && !LEARNER_METHODS.has(call.method.path)) return ErrNotSupportedForLearner;
    const sound = this.soundnessOf(call);
    if (call.method.kind === "unary") sound.count.unary++;
    else sound.count.streams++;
    if (sound.error !== undefined) return sound.error;
    if (sound.requiresLeader && !member.hasLeader) return ErrNoLeader;
    return undefined;
  }

  /** Whether the client wants no answer from a member without a leader. */
  requiresLeader(call: ServerCall): boolean {
    return this.soundnessOf(call).requiresLeader;
  }

  private soundnessOf({ metadata }: ServerCall): Sound {
    if (metadata.derived instanceof Sound) return metadata.derived;
    const sound = this.judge(metadata);
    metadata.derived = sound;
    return sound;
  }

  private judge(metadata: ServerCall["metadata"]): Sound {
    const version = metadata.get(CLIENT_API_VERSION);
    // Header values arrive as bytes read one to a character.
    const error = version !== undefined && !isUtf8(version) ? ErrInvalidClientAPIVersion : undefined;
    const label = version === undefined || error !== undefined ? UNKNOWN_VERSION : version;
    return new Sound(metadata.get(HAS_LEADER) === "true", this.countOf(label), error);
  }

  private countOf(version: string): VersionCount {
    const known = this.requests.get(version);
    if (known !== undefined) return known;
    if (this.requests.size >= VERSIONS_MAX && version !== UNKNOWN_VERSION)
      return this.countOf(UNKNOWN_VERSION);
    const count = new VersionCount(version);
    this.requests.set(version, count);
    return count;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function isUtf8(latin1: string): boolean {
  try {
    decoder.decode(Buffer.from(latin1, "latin1"));
    return true;
  } catch {
    return false;
  }
}
