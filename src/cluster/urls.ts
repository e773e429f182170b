// Peer URLs and the list of the first members, `name=url,name=url`. A URL is scheme://host:port without a path, or a
// unix socket's path. Errors are texts in etcd's words: the configuration prints them, member requests answer with one
// error for all.

import { byBytes } from "./ids.js";

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string };

function fail(error: string): { readonly ok: false; readonly error: string } {
  return { ok: false, error };
}

/** Checks and sorts a list of URLs. */
export function parseUrls(urls: readonly string[]): Parsed<string[]> {
  if (urls.length === 0) return fail("no valid URLs given");
  const trimmed = urls.map((url) => url.trim());
  for (const url of trimmed) {
    const error = urlError(url);
    if (error !== undefined) return fail(error);
  }
  return { ok: true, value: byBytes(trimmed) };
}

/** What is wrong with a URL, undefined if nothing is. */
function urlError(url: string): string | undefined {
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\/([^/?#]*)([^?#]*)/.exec(url);
  const scheme = match?.[1].toLowerCase();
  if (match === null || !["http", "https", "unix", "unixs"].includes(scheme ?? "")) {
    return `URL scheme must be http, https, unix, or unixs: ${url}`;
  }
  const [, , host, path] = match;
  if (scheme === "unix" || scheme === "unixs") return undefined;
  const port = portOf(host.slice(host.lastIndexOf("@") + 1));
  if (port === undefined) return `URL address does not have the form "host:port": ${url}`;
  if (!/^\d*$/.test(port)) return `parse ${JSON.stringify(url)}: invalid port ":${port}" after host`;
  return path === "" ? undefined : `URL must not contain a path: ${url}`;
}

/** The port of host:port, where an IPv6 host stands in brackets; undefined when the address is not of that form. */
function portOf(address: string): string | undefined {
  return /^(?:\[[^[\]]*\]|[^:[\]]*):([^:]*)$/.exec(address)?.[1];
}

/** The members of `name=url,name=url`: name -> sorted URLs, in order of first mention. */
export function parseInitialCluster(text: string): Parsed<Map<string, string[]>> {
  const listed = new Map<string, string[]>();
  for (const part of text.split(",")) {
    if (part === "") continue;
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    const urls = listed.get(name) ?? [];
    urls.push(at < 0 ? "" : part.slice(at + 1));
    listed.set(name, urls);
  }
  const members = new Map<string, string[]>();
  for (const [name, urls] of listed) {
    if (urls[0] === "") return fail(`empty URL given for ${JSON.stringify(name)}`);
    const parsed = parseUrls(urls);
    if (!parsed.ok) return parsed;
    members.set(name, parsed.value);
  }
  return { ok: true, value: members };
}
