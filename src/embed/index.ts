// embed: a configuration becomes a running member (public).

export * from "./config.js";
export { type EmbedOptions, Etcd } from "./etcd.js";
export * from "./logger.js";
