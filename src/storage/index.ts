export * from "./backend/backend.js";
export { LmdbBackend, type LmdbBackendOptions } from "./backend/lmdb-backend.js";
export { MemoryBackend } from "./backend/memory-backend.js";
