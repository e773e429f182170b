// Binds the listeners of a member to the URLs of its configuration. Refusals are in etcd's words, which are Go's, because
// that is what operators and their tools look for.

import { lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { type ListenAddress, RpcListener } from "#rpc";
import { parseMemberUrl } from "./urls.js";

type ListenerOptions = ConstructorParameters<typeof RpcListener>[0];

/** What the system calls the usual refusals. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "bind: address already in use",
  EADDRNOTAVAIL: "bind: cannot assign requested address",
  EACCES: "bind: permission denied",
  ENOENT: "bind: no such file or directory",
  ENOTFOUND: "no such host",
};

/**
 * A listener that takes connections at `url`.
 * @throws Error in the form `listen tcp 127.0.0.1:2379: bind: address already in use`
 */
export async function listen(url: string, options: ListenerOptions): Promise<RpcListener> {
  const { host, port, path } = parseMemberUrl(url);
  const address: ListenAddress = path === "" ? { host, port } : { path };
  if (path !== "") await removeStaleSocket(path);
  const listener = new RpcListener(options);
  try {
    await listener.listen(address);
  } catch (error) {
    const where = path === "" ? `tcp ${url.replace(/^\w+:\/\//, "")}` : `unix ${path}`;
    throw new Error(`listen ${where}: ${reasonOf(error)}`, { cause: error });
  }
  return listener;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  return REASONS[code] ?? error.message;
}

/** A killed member leaves its socket behind; one that still answers, or a file that is none, is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const isStale = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (error) => resolve("code" in error && error.code === "ECONNREFUSED"));
  });
  if (isStale) unlinkSync(path);
}
