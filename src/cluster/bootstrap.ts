// The members at birth: computed from the configuration by a new cluster, or matched against what a running cluster
// says by a member that joins one.

import type { MemberId } from "#proto";
import { byBytes, memberIdOf, type Sha1 } from "./ids.js";
import { byId, hexId, type Member } from "./member.js";
import type { Parsed } from "./urls.js";

/** The members of a new cluster, by id. @param listed `parseInitialCluster`'s result */
export function initialMembers(
  listed: ReadonlyMap<string, readonly string[]>,
  token: string,
  sha1: Sha1,
): Parsed<Member[]> {
  const members = new Map<MemberId, Member>();
  for (const [name, peerUrls] of listed) {
    const id = memberIdOf(peerUrls, token, sha1);
    if (members.has(id)) return { ok: false, error: `member exists with identical ID ${hexId(id)}` };
    if (id === 0n) return { ok: false, error: "cannot use 0 as member id" };
    members.set(id, { id, name, peerUrls, clientUrls: [], isLearner: false });
  }
  return { ok: true, value: Array.from(members.values()).sort(byId) };
}

/** Gives the members of the configuration the ids (and roles) that the running cluster has for them, by peer URLs.
 *  @param sameUrls whether two sorted lists of URLs mean the same; the caller may resolve names */
export function matchMembers(
  configured: readonly Member[],
  running: readonly Member[],
  sameUrls: (a: readonly string[], b: readonly string[]) => boolean = equalLists,
): Parsed<Member[]> {
  if (configured.length !== running.length) return { ok: false, error: "member count is unequal" };
  const left = configured.slice();
  const matched: Member[] = [];
  for (const member of running) {
    const urls = byBytes(member.peerUrls);
    const at = left.findIndex((candidate) => sameUrls(urls, byBytes(candidate.peerUrls)));
    if (at < 0) {
      const known = `${hexId(member.id)}, [${member.peerUrls.join(" ")}]`;
      return { ok: false, error: `PeerURLs: no match found for existing member (${known})` };
    }
    const [found] = left.splice(at, 1);
    matched.push({ ...found, id: member.id, isLearner: member.isLearner });
  }
  return { ok: true, value: matched.sort(byId) };
}

function equalLists(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((url, i) => url === b[i]);
}
