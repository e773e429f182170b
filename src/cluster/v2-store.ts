// The v2 store: etcd's first key space, long gone but for one use. A raft snapshot's data is still its JSON, holding
// the membership, and members up to 3.6 read it from there when they are sent a snapshot or start from one. This file
// writes and reads just that tree:
//
//   /0/members/<hex id>/raftAttributes   {"peerURLs":[…],"isLearner":true}
//   /0/members/<hex id>/attributes       {"name":…,"clientURLs":[…]}, absent before the member has published
//   /0/removed_members/<hex id>          empty
//   /0/version                           X.Y.0, absent while undecided
//   /1                                   empty; once the users' keys
//
// The rest (indexes, an event history of 1000 empty places, statistics) only has to be there and well formed.

import { utf8, utf8Text } from "#base";
import type { MemberId } from "#proto";
import {
  attributesJson,
  byId,
  goJson,
  hexId,
  isObject,
  isStarted,
  type Member,
  parseMember,
  parseObject,
  raftAttributesJson,
} from "./member.js";
import type { MembershipState } from "./membership.js";
import { parseVersion, versionText } from "./version.js";

const HISTORY_PLACES = 1000;
const STATISTICS = [
  ...["getsSuccess", "getsFail", "setsSuccess", "setsFail", "deleteSuccess", "deleteFail"],
  ...["updateSuccess", "updateFail", "createSuccess", "createFail"],
  ...["compareAndSwapSuccess", "compareAndSwapFail", "compareAndDeleteSuccess", "compareAndDeleteFail"],
  ...["expireCount", "watchers"],
];

interface Node {
  readonly Path: string;
  readonly CreatedIndex: number;
  readonly ModifiedIndex: number;
  readonly ExpireTime: string;
  readonly Value: string;
  readonly Children: Readonly<Record<string, Node>> | null;
}

/** Numbers the nodes as if they had been created one after the other. */
class TreeWriter {
  index = 0;

  leaf(path: string, value: string): Node {
    this.index++;
    return this.node(path, this.index, value, null);
  }

  directory(path: string, children: Readonly<Record<string, Node>>): Node {
    return this.node(path, Math.max(1, this.index), "", children);
  }

  root(path: string, children: Readonly<Record<string, Node>>): Node {
    return this.node(path, 0, "", children);
  }

  member(member: Member): Node {
    const path = `/0/members/${hexId(member.id)}`;
    const raftAttributes = this.leaf(`${path}/raftAttributes`, raftAttributesJson(member));
    if (!isStarted(member)) return this.directory(path, { raftAttributes });
    const attributes = this.leaf(`${path}/attributes`, attributesJson(member));
    return this.directory(path, { attributes, raftAttributes });
  }

  private node(path: string, index: number, value: string, children: Node["Children"]): Node {
    return {
      Path: path,
      CreatedIndex: index,
      ModifiedIndex: index,
      ExpireTime: "0001-01-01T00:00:00Z",
      Value: value,
      Children: children,
    };
  }
}

/** The data of a raft snapshot. */
export function encodeV2Store(state: MembershipState): Uint8Array {
  const tree = new TreeWriter();
  const zero: Record<string, Node> = {};
  zero["members"] = tree.directory(
    "/0/members",
    named(
      state.members,
      (it) => hexId(it.id),
      (it) => tree.member(it),
    ),
  );
  if (state.removed.length > 0) {
    const buried = named(state.removed, hexId, (id) => tree.leaf(`/0/removed_members/${hexId(id)}`, ""));
    zero["removed_members"] = tree.directory("/0/removed_members", buried);
  }
  if (state.version !== undefined) zero["version"] = tree.leaf("/0/version", versionText(state.version));
  const queue = {
    Events: new Array(HISTORY_PLACES).fill(null),
    Size: 0,
    Front: 0,
    Back: 0,
    Capacity: HISTORY_PLACES,
  };
  const store = {
    Root: tree.root("/", { "0": tree.root("/0", zero), "1": tree.root("/1", {}) }),
    WatcherHub: { EventHistory: { Queue: queue, StartIndex: 0, LastIndex: 0 } },
    CurrentIndex: tree.index,
    Stats: Object.fromEntries(STATISTICS.map((name) => [name, 0])),
    CurrentVersion: 2,
  };
  return utf8(goJson(store));
}

function named<T>(
  items: readonly T[],
  name: (item: T) => string,
  node: (item: T) => Node,
): Record<string, Node> {
  return Object.fromEntries(items.map((item) => [name(item), node(item)]));
}

/** The membership in a raft snapshot's data; undefined when the data is not a v2 store. */
export function decodeV2Store(data: Uint8Array): MembershipState | undefined {
  const store = parseObject(utf8Text(data));
  const root = store?.["Root"];
  if (!isObject(root)) return undefined;
  const zero = childrenOf(childrenOf(root)["0"]);
  const members: Member[] = [];
  for (const [hex, node] of Object.entries(childrenOf(zero["members"]))) {
    const member = decodeMember(hex, childrenOf(node));
    if (member === undefined) return undefined;
    members.push(member);
  }
  const removed = Object.keys(childrenOf(zero["removed_members"])).map((hex) => parseHexId(hex));
  if (removed.some((id) => id === undefined)) return undefined;
  return {
    members: members.sort(byId),
    removed: removed.filter((id) => id !== undefined).sort((a, b) => (a < b ? -1 : 1)),
    version: parseVersion(textIn(zero["version"])),
  };
}

function decodeMember(hex: string, children: Readonly<Record<string, unknown>>): Member | undefined {
  const id = parseHexId(hex);
  const raft = parseMember(textIn(children["raftAttributes"]));
  if (id === undefined || raft === undefined) return undefined;
  const published = parseMember(textIn(children["attributes"]));
  return {
    id,
    name: published?.name ?? "",
    peerUrls: raft.peerUrls,
    clientUrls: published?.clientUrls ?? [],
    isLearner: raft.isLearner,
  };
}

function parseHexId(hex: string): MemberId | undefined {
  return /^[0-9a-f]{1,16}$/i.test(hex) ? BigInt(`0x${hex}`) : undefined;
}

function childrenOf(node: unknown): Readonly<Record<string, unknown>> {
  const children = isObject(node) ? node["Children"] : undefined;
  return isObject(children) ? children : {};
}

function textIn(node: unknown): string {
  const value = isObject(node) ? node["Value"] : undefined;
  return typeof value === "string" ? value : "";
}
