// base: bytes, checksums, queues, randomness, and the ports to the outside world. Knows nothing of etcd.

export * from "./byte-pages.js";
export * from "./bytes.js";
export * from "./crc32c.js";
export * from "./panic.js";
export * from "./planted-bugs.js";
export * from "./ports.js";
export * from "./random.js";
export * from "./ring.js";
export * from "./slots.js";
export * from "./wire.js";
