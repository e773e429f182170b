// proto: the words on the wire. Schemas (schema/), types generated from them (gen/), and hand codecs of the hot messages.

export * from "./errors.js";
export * from "./generated.js";
export * from "./kv.js";
export * from "./kv-codec.js";
export * from "./raft.js";
export * from "./raft-codec.js";
export * from "./status.js";
export { withoutMisreadFields } from "./strict.js";
