// Endpoints as people write them: `host:port`, a URL (http, https, unix, unixs), or `unix:path`.

import type { Target } from "./transport.js";

/**
 * Where `endpoint` points.
 * @param tls whether an endpoint without a scheme means TLS
 * @throws Error when there is no port, or the text cannot be read
 */
export function parseEndpoint(endpoint: string, tls = false): Target {
  const unix = /^(unixs?):(?:\/\/)?(.*)$/.exec(endpoint);
  if (unix !== null) return { kind: "unix", path: unix[2], tls: unix[1] === "unixs" };
  const url = /^(https?):\/\/([^/]*)/.exec(endpoint);
  const address = url === null ? endpoint : url[2];
  const { host, port } = splitAddress(address);
  return { kind: "tcp", host, port, tls: url === null ? tls : url[1] === "https" };
}

function splitAddress(address: string): { host: string; port: number } {
  const found = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(address);
  if (found === null) throw new Error(`address ${address}: missing port in address`);
  const host = found[1] ?? found[2];
  return { host: host === "" ? "localhost" : host, port: Number(found[3]) };
}

/** The address as connection errors name it. */
export function describeTarget(target: Target): string {
  if (target.kind === "unix") return target.path;
  return target.host.includes(":") ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}
