// What a configuration change means for the membership. The change itself (raftpb.ConfChange) names a node and a kind;
// its context is JSON of the member it is about, with "isPromote" when a learner becomes a voter. Whether a change is
// valid is judged when it is applied, by every member alike: a change may have become invalid since it was proposed. An
// invalid one changes nothing; raft applies it as a change of node 0.

import { panic, utf8, utf8Text } from "#base";
import {
  type ConfChange,
  ConfChangeType,
  ErrMemberExist,
  ErrMemberNotFound,
  ErrMemberNotLearner,
  ErrPeerURLExist,
  ErrTooManyLearners,
  type MemberId,
  type RpcError,
} from "#proto";
import { type Member, memberJson, parseMember, parseObject } from "./member.js";

/** Learners that a cluster may have, unless configured otherwise. */
export const MAX_LEARNERS = 1;

/** A valid change, in the membership's terms. */
export type MemberChange =
  | { readonly kind: "add"; readonly member: Member }
  | { readonly kind: "promote"; readonly id: MemberId }
  | { readonly kind: "remove"; readonly id: MemberId }
  | { readonly kind: "update"; readonly id: MemberId; readonly peerUrls: readonly string[] };

export type ChangeOutcome =
  | { readonly ok: true; readonly change: MemberChange }
  | { readonly ok: false; readonly error: RpcError };

/** The context of a change that adds, promotes or updates a member. */
export function changeContext(member: Member, isPromote: boolean): Uint8Array {
  return utf8(`${memberJson(member).slice(0, -1)},"isPromote":${isPromote}}`);
}

/** The context of the changes that a new cluster's log starts with. */
export function bootstrapContext(member: Member): Uint8Array {
  return utf8(memberJson(member));
}

function fail(error: RpcError): ChangeOutcome {
  return { ok: false, error };
}

/** Judges a committed change against the members of that moment. Malformed contexts stop the member: they were written
 *  by a member, and the others would have understood them. */
export function judge(
  change: ConfChange,
  members: ReadonlyMap<MemberId, Member>,
  removed: ReadonlySet<MemberId>,
  maxLearners: number,
): ChangeOutcome {
  const id = change.nodeId;
  if (removed.has(id)) return fail(ErrMemberNotFound);
  const known = members.get(id);
  switch (change.type) {
    case ConfChangeType.AddNode:
    case ConfChangeType.AddLearnerNode:
      return judgeAdd(change, known, members, maxLearners);
    case ConfChangeType.RemoveNode:
      return known === undefined ? fail(ErrMemberNotFound) : { ok: true, change: { kind: "remove", id } };
    case ConfChangeType.UpdateNode: {
      if (known === undefined) return fail(ErrMemberNotFound);
      const { peerUrls } = contextOf(change);
      if (urlsTaken(peerUrls, members, id)) return fail(ErrPeerURLExist);
      return { ok: true, change: { kind: "update", id, peerUrls } };
    }
    default:
      return panic("unknown kind of configuration change", { type: change.type });
  }
}

function judgeAdd(
  change: ConfChange,
  known: Member | undefined,
  members: ReadonlyMap<MemberId, Member>,
  maxLearners: number,
): ChangeOutcome {
  const member = contextOf(change);
  if (member.id !== change.nodeId) {
    panic("configuration change and its context name different members", {
      node: change.nodeId,
      context: member.id,
    });
  }
  if (isPromotion(change)) {
    if (known === undefined) return fail(ErrMemberNotFound);
    if (!known.isLearner) return fail(ErrMemberNotLearner);
    return { ok: true, change: { kind: "promote", id: member.id } };
  }
  if (known !== undefined) return fail(ErrMemberExist);
  if (urlsTaken(member.peerUrls, members, undefined)) return fail(ErrPeerURLExist);
  const isLearner = change.type === ConfChangeType.AddLearnerNode;
  if (isLearner && learnerCount(members) + 1 > maxLearners) return fail(ErrTooManyLearners);
  return { ok: true, change: { kind: "add", member: { ...member, isLearner } } };
}

function contextOf(change: ConfChange): Member {
  const text = utf8Text(change.context);
  return parseMember(text) ?? panic("configuration change has a malformed context", { text });
}

function isPromotion(change: ConfChange): boolean {
  return parseObject(utf8Text(change.context))?.["isPromote"] === true;
}

function urlsTaken(
  urls: readonly string[],
  members: ReadonlyMap<MemberId, Member>,
  except: MemberId | undefined,
): boolean {
  for (const member of members.values()) {
    if (member.id !== except && member.peerUrls.some((url) => urls.includes(url))) return true;
  }
  return false;
}

function learnerCount(members: ReadonlyMap<MemberId, Member>): number {
  let count = 0;
  for (const member of members.values()) if (member.isLearner) count++;
  return count;
}
