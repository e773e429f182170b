// A listen URL as an address to listen on. `http://host:port` is TCP; `unix://host:name` is a socket file named by host
// and path together, as etcd names it.

import type { ListenAddress } from "#rpc";

/** @throws Error with etcd's text when the URL cannot be listened on */
export function addressOf(url: string): ListenAddress {
  const match = /^(https?|unixs?):\/\/(.*)$/.exec(url);
  if (match === null) throw new Error(`URL scheme must be http, https, unix, or unixs: ${url}`);
  const [, scheme, rest] = match;
  if (scheme.startsWith("unix")) return { path: rest };
  const host = /^(\[[^\]]*\]|[^:/]*):(\d+)$/.exec(rest);
  if (host === null) throw new Error(`URL address does not have the form "host:port": ${url}`);
  return { host: host[1].replace(/^\[|\]$/g, ""), port: Number(host[2]) };
}
