// embed: a configuration becomes a running member (public).

export * from "./config.js";
export * from "./logger.js";
