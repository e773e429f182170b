// The URLs in a configuration: http, https, unix or unixs, an address, and nothing else. Refusals are in etcd's words.

import { isIP } from "node:net";

/** A configuration cannot be used; the text says why, in etcd's words where etcd has some. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export interface MemberUrl {
  readonly scheme: "http" | "https" | "unix" | "unixs";
  /** Host of http and https; empty otherwise. */
  readonly host: string;
  /** Port of http and https; 0 otherwise. */
  readonly port: number;
  /** Where the socket file is: host and path of the URL as one; empty for http and https. */
  readonly path: string;
  readonly text: string;
}

/** @throws ConfigError */
export function parseMemberUrl(input: string): MemberUrl {
  const text = input.trim();
  const found = /^(https?|unixs?):(?:\/\/)?([^/?#]*)(.*)$/s.exec(text);
  if (found === null) throw new ConfigError(`URL scheme must be http, https, unix, or unixs: ${text}`);
  const [, scheme, authority, path] = found;
  if (scheme === "unix" || scheme === "unixs") {
    return { scheme, host: "", port: 0, path: authority + path, text };
  }
  const address = /^(?:\[([^\]]*)\]|([^:]*)):(\d*)$/.exec(authority);
  if (address === null) throw new ConfigError(`URL address does not have the form "host:port": ${text}`);
  if (path !== "") throw new ConfigError(`URL must not contain a path: ${text}`);
  return {
    scheme: scheme as "http" | "https",
    host: address[1] ?? address[2],
    port: Number(address[3]),
    path: "",
    text,
  };
}

/** A comma-separated list: checked, without repetitions, sorted. @throws ConfigError */
export function parseMemberUrls(list: string): string[] {
  if (list === "") return [];
  const urls = list.split(",").map((part) => parseMemberUrl(part).text);
  return [...new Set(urls)].sort();
}

/** Listening needs an address that is the machine's own: an IP or localhost. @throws ConfigError */
export function checkBindUrls(urls: readonly string[]): void {
  for (const url of urls.map(parseMemberUrl)) {
    if (url.path !== "" || url.host === "localhost" || isIP(url.host) !== 0) continue;
    throw new ConfigError(`expected IP in URL for binding (${url.text})`);
  }
}

/** Others must be told a host. Returns what is wrong, if anything is. */
export function emptyHostProblem(urls: readonly string[]): string | undefined {
  const bad = urls.map(parseMemberUrl).find((url) => url.path === "" && url.host === "");
  return bad === undefined ? undefined : `unexpected empty host (${bad.text})`;
}
