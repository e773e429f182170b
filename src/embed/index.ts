// embed: a configuration becomes a running member (public).

export * from "./config.js";
export * from "./config-check.js";
export { type EmbedOptions, Etcd } from "./etcd.js";
export * from "./logger.js";
export * from "./urls.js";
