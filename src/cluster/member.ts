// One member of the cluster, and its JSON form, which etcd uses everywhere: in the backend, as context of a
// configuration change, in the peers' /members answer and (in two halves) inside the v2 store of a snapshot. Ids are 64
// bits and appear as JSON numbers, beyond what JSON.parse keeps, so they are taken out of the text before and put into
// it after.

import type { MemberId } from "#proto";

export interface Member {
  readonly id: MemberId;
  /** Empty until the member has started and published itself. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/** A member that has published its name has been up at least once. */
export function isStarted(member: Member): boolean {
  return member.name !== "";
}

/** Lower-case hexadecimal without padding, as ids appear in keys, URLs and logs. */
export function hexId(id: MemberId): string {
  return id.toString(16);
}

/** JSON text as Go's encoder writes it: also <, > and & are escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** The half that the log decides: {"peerURLs":[…],"isLearner":true}. */
export function raftAttributesJson(member: Member): string {
  return goJson({ peerURLs: member.peerUrls, isLearner: member.isLearner || undefined });
}

/** The half that the member publishes: {"name":…,"clientURLs":[…]}. */
export function attributesJson(member: Member): string {
  return goJson({
    name: member.name || undefined,
    clientURLs: member.clientUrls.length > 0 ? member.clientUrls : undefined,
  });
}

/** {"id":…,"peerURLs":[…],"isLearner":true,"name":…,"clientURLs":[…]}; empty fields but the first two are left out. */
export function memberJson(member: Member): string {
  const rest = attributesJson(member).slice(1, -1);
  return `{"id":${member.id},${raftAttributesJson(member).slice(1, -1)}${rest === "" ? "" : `,${rest}`}}`;
}

/** The fields of a member's JSON that are there; undefined when the text is not JSON of that shape. */
export function parseMember(text: string): Member | undefined {
  const fields = parseObject(text.replace(/"id"\s*:\s*(\d+)/, '"id":"$1"'));
  if (fields === undefined) return undefined;
  const id = fields["id"];
  return {
    id: typeof id === "string" ? BigInt(id) : 0n,
    name: textOf(fields["name"]),
    peerUrls: textsOf(fields["peerURLs"]),
    clientUrls: textsOf(fields["clientURLs"]),
    isLearner: fields["isLearner"] === true,
  };
}

/** A JSON object, or undefined for any other text. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

export function byId(a: { readonly id: MemberId }, b: { readonly id: MemberId }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
